"""The function's configuration: its environment variables, read and checked in one place.

Secrets are not here: they are read by reference (`lambdas.shared.secret`).
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.errors import ConfigurationError
from lambdas.shared.contract import overlap_problem
from lambdas.shared.openai_calls.contract import OPENAI_URL
from lambdas.shared.variables import VariableSettings

FUNCTION = "knowledge_base"
_URL = r"^https?://[^\s/]+\S*$"
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"


def _whole(default: int, alias: str, bounds: tuple[int, int]) -> Any:
    return Field(default=default, alias=alias, ge=bounds[0], le=bounds[1])


class Settings(VariableSettings):
    """One field for each variable of the contract."""

    wrong = ConfigurationError

    users_table: Annotated[str, Field(alias=contract.USERS_TABLE)]
    documents_table: Annotated[str, Field(alias=contract.DOCUMENTS_TABLE)]
    chat_sessions_table: Annotated[str, Field(alias=contract.CHAT_SESSIONS_TABLE)]
    chat_messages_table: Annotated[str, Field(alias=contract.CHAT_MESSAGES_TABLE)]
    bucket: Annotated[str, Field(alias=contract.PDF_STORAGE_BUCKET, pattern=_BUCKET)]
    queue_url: Annotated[str, Field(alias=contract.INGESTION_QUEUE_URL, pattern=_URL)]
    max_receives: int = _whole(contract.DEFAULT_MAX_RECEIVES, contract.MAX_RECEIVES, (1, 1_000))
    memory_mb: int = _whole(contract.DEFAULT_MEMORY_MB, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", (128, 10_240))
    """Lambda's own variable."""
    image_processor_arn: Annotated[str | None, Field(alias=contract.IMAGE_PROCESSOR_LAMBDA_ARN)] = None
    """None: design-heavy pages have their text only."""
    weaviate_url: Annotated[str, Field(alias=contract.WEAVIATE_URL, pattern=_URL)]
    weaviate_grpc_url: Annotated[str | None, Field(alias=contract.WEAVIATE_GRPC_URL, pattern=_URL)] = None
    """None: at the host of `weaviate_url`, as Weaviate Cloud has it."""
    openai_base_url: Annotated[str, Field(alias=contract.OPENAI_BASE_URL, pattern=_URL)] = OPENAI_URL
    chat_model: Annotated[str, Field(alias=contract.OPENAI_CHAT_MODEL, pattern=r"^\S+$")]
    embedding_model: Annotated[str, Field(alias=contract.OPENAI_EMBEDDING_MODEL, pattern=r"^\S+$")] = (
        contract.DEFAULT_EMBEDDING_MODEL
    )
    registration_open: Annotated[bool, Field(alias=contract.REGISTRATION_OPEN)] = True
    max_pages: int = _whole(contract.DEFAULT_MAX_PAGES, contract.MAX_PAGES, (1, contract.MAX_PAGES_BOUND))
    chunk_tokens: int = _whole(contract.DEFAULT_CHUNK_TOKENS, contract.CHUNK_TOKENS, contract.CHUNK_TOKENS_BOUNDS)
    chunk_overlap_tokens: Annotated[int, Field(alias=contract.CHUNK_OVERLAP_TOKENS, ge=0)] = (
        contract.DEFAULT_OVERLAP_TOKENS
    )
    access_token_seconds: int = _whole(
        contract.DEFAULT_ACCESS_TOKEN_SECONDS, contract.ACCESS_TOKEN_SECONDS, contract.ACCESS_TOKEN_BOUNDS
    )
    refresh_token_days: int = _whole(
        contract.DEFAULT_REFRESH_TOKEN_DAYS, contract.REFRESH_TOKEN_DAYS, contract.REFRESH_TOKEN_BOUNDS
    )
    """Of a token that is not used; each refresh gives a new one."""
    session_days: int = _whole(contract.DEFAULT_SESSION_DAYS, contract.SESSION_DAYS, contract.SESSION_DAYS_BOUNDS)

    @model_validator(mode="after")
    def _chunks_advance(self) -> Self:
        if problem := overlap_problem(self.chunk_tokens, self.chunk_overlap_tokens):
            raise ValueError(problem)
        return self
