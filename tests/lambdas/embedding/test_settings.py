"""The function's variables: defaults, aliases, and every wrong one named at once."""

from __future__ import annotations

import pytest

from lambdas.embedding.settings import Settings
from lambdas.shared.work_errors import ConfigurationError

HOST = {"PINECONE_INDEX_HOST": "docs-abc.svc.pinecone.io"}


def refusal(**variables: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load(HOST | variables)
    return str(caught.value)


def test_the_defaults_are_the_contracts() -> None:
    settings = Settings.load(HOST)
    assert settings.openai_timeout_seconds == 20.0
    assert settings.openai_max_retries == 3
    assert settings.model_name == "text-embedding-ada-002"
    assert settings.dimensions == 1_536
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert settings.pinecone_namespace == ""


def test_an_empty_variable_is_unset() -> None:
    assert Settings.load(HOST | {"OPENAI_TIMEOUT": "", "OPENAI_EMBEDDING_DIMENSIONS": ""}) == Settings.load(HOST)


def test_the_usage_page_name_is_an_alias() -> None:
    settings = Settings.load(HOST | {"OPENAI_EMBEDDING_MODEL": "text-embedding-ada-002-v2"})
    assert settings.model_name == "text-embedding-ada-002"


@pytest.mark.parametrize(
    ("model", "asked", "dimensions"),
    [
        ("text-embedding-3-small", "", 1_536),
        ("text-embedding-3-small", "512", 512),
        ("text-embedding-3-large", "", 3_072),
    ],
)
def test_the_newer_models_take_dimensions(model: str, asked: str, dimensions: int) -> None:
    variables = {"OPENAI_EMBEDDING_MODEL": model, "OPENAI_EMBEDDING_DIMENSIONS": asked}
    assert Settings.load(HOST | variables).dimensions == dimensions


def test_dimensions_of_ada_are_refused_with_the_remedy() -> None:
    assert "text-embedding-ada-002 has 1536 always: leave it unset" in refusal(OPENAI_EMBEDDING_DIMENSIONS="384")


def test_more_dimensions_than_the_model_has_are_refused() -> None:
    said = refusal(OPENAI_EMBEDDING_MODEL="text-embedding-3-small", OPENAI_EMBEDDING_DIMENSIONS="2000")
    assert "has at most 1536" in said


def test_every_wrong_variable_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load({"OPENAI_TIMEOUT": "soon", "OPENAI_MAX_RETRIES": "-1", "OPENAI_EMBEDDING_MODEL": "gpt-4"})
    said = str(caught.value)
    assert "OPENAI_TIMEOUT is 'soon'" in said
    assert "OPENAI_MAX_RETRIES is '-1'" in said
    assert "OPENAI_EMBEDDING_MODEL is 'gpt-4': must be one of text-embedding-ada-002" in said
    assert "PINECONE_INDEX_HOST is not set" in said


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "901"])
def test_a_timeout_must_be_one(value: str) -> None:
    assert f"OPENAI_TIMEOUT is '{value}'" in refusal(OPENAI_TIMEOUT=value)


def test_the_environment_may_hold_anything_else() -> None:
    assert Settings.load(HOST | {"PATH": "/bin", "OPENAI_API_KEY_SECRET_ARN": "arn"}) == Settings.load(HOST)


def test_both_names_of_the_default_namespace_are_one() -> None:
    given = {"PINECONE_INDEX_HOST": "https://index.example", "PINECONE_NAMESPACE": "__default__"}
    assert (
        Settings.load(given).pinecone_namespace == Settings.load({**given, "PINECONE_NAMESPACE": ""}).pinecone_namespace
    )
