"""The function's variables: what is wrong with them is said at once, with the rule."""

from __future__ import annotations

import pytest

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.errors import ConfigurationError
from lambdas.knowledge_base.settings import Settings

LEAST = {
    contract.USERS_TABLE: "users",
    contract.DOCUMENTS_TABLE: "documents",
    contract.CHAT_SESSIONS_TABLE: "sessions",
    contract.CHAT_MESSAGES_TABLE: "messages",
    contract.PDF_STORAGE_BUCKET: "a-bucket",
    contract.INGESTION_QUEUE_URL: "https://sqs.eu-central-1.amazonaws.com/123456789012/ingestion",
    contract.WEAVIATE_URL: "https://cluster.weaviate.cloud",
    contract.OPENAI_CHAT_MODEL: "gpt-4.1-mini",
}


def test_what_is_unset_or_empty_has_its_default() -> None:
    settings = Settings.load({**LEAST, contract.MAX_PAGES: "", contract.REGISTRATION_OPEN: ""})
    assert settings.registration_open is True
    assert settings.max_pages == contract.MAX_PAGES.default
    assert settings.access_token_seconds == contract.ACCESS_TOKEN_SECONDS.default
    assert settings.refresh_token_days == contract.REFRESH_TOKEN_DAYS.default
    assert settings.session_days == contract.SESSION_DAYS.default
    assert settings.embedding_model == contract.OPENAI_EMBEDDING_MODEL.default
    assert settings.image_processor_arn is None


@pytest.mark.parametrize("name", LEAST)
def test_what_has_no_default_has_to_be_set(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is not set"):
        Settings.load({**LEAST, name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (contract.ACCESS_TOKEN_SECONDS, "901"),
        (contract.ACCESS_TOKEN_SECONDS, "59"),
        (contract.REFRESH_TOKEN_DAYS, "0"),
        (contract.SESSION_DAYS, "-1"),
        (contract.REGISTRATION_OPEN, "perhaps"),
        (contract.CHUNK_TOKENS, "63"),
        (contract.MAX_PAGES, "1e3"),
        (contract.WEAVIATE_URL, "cluster.weaviate.cloud"),
        (contract.PDF_STORAGE_BUCKET, "A_Bucket"),
        (contract.OPENAI_CHAT_MODEL, "two words"),
    ],
)
def test_what_is_wrong_is_said_with_its_value(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is '{value}': "):
        Settings.load({**LEAST, name: value})


def test_chunks_that_would_hardly_advance_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="it may be 32 at most"):
        Settings.load({**LEAST, contract.CHUNK_TOKENS: "64", contract.CHUNK_OVERLAP_TOKENS: "33"})


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        Settings.load({contract.MAX_PAGES: "many"})
    assert all(f"{name} is not set" in str(refused.value) for name in LEAST)
    assert "MAX_PAGES is 'many'" in str(refused.value)
