"""The function's configuration: its environment variables, read and checked in one place.

Secrets are not here: they are read by reference (`lambdas.shared.secret`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.errors import ConfigurationError
from lambdas.shared.contract import Variable, overlap_problem
from lambdas.shared.variables import VariableSettings, setting

FUNCTION = "knowledge_base"
_URL = r"^https?://[^\s/]+\S*$"
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
MEMORY = Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", contract.DEFAULT_MEMORY_MB, at_least=128, at_most=10_240)
"""Lambda's own."""


class Settings(VariableSettings):
    """One field for each variable of the contract."""

    wrong = ConfigurationError

    users_table: Annotated[str, Field(alias=contract.USERS_TABLE)]
    documents_table: Annotated[str, Field(alias=contract.DOCUMENTS_TABLE)]
    chat_sessions_table: Annotated[str, Field(alias=contract.CHAT_SESSIONS_TABLE)]
    chat_messages_table: Annotated[str, Field(alias=contract.CHAT_MESSAGES_TABLE)]
    bucket: Annotated[str, Field(alias=contract.PDF_STORAGE_BUCKET, pattern=_BUCKET)]
    queue_url: Annotated[str, Field(alias=contract.INGESTION_QUEUE_URL, pattern=_URL)]
    max_receives: int = setting(contract.MAX_RECEIVES)
    memory_mb: int = setting(MEMORY)
    image_processor_arn: Annotated[str | None, Field(alias=contract.IMAGE_PROCESSOR_LAMBDA_ARN)] = None
    """None: design-heavy pages have their text only."""
    weaviate_url: Annotated[str, Field(alias=contract.WEAVIATE_URL, pattern=_URL)]
    weaviate_grpc_url: str | None = setting(contract.WEAVIATE_GRPC_URL, pattern=_URL)
    """None: at the host of `weaviate_url`, as Weaviate Cloud has it."""
    openai_base_url: str = setting(contract.OPENAI_BASE_URL, pattern=_URL)
    chat_model: Annotated[str, Field(alias=contract.OPENAI_CHAT_MODEL, pattern=r"^\S+$")]
    embedding_model: str = setting(contract.OPENAI_EMBEDDING_MODEL, pattern=r"^\S+$")
    registration_open: bool = setting(contract.REGISTRATION_OPEN)
    max_pages: int = setting(contract.MAX_PAGES)
    chunk_tokens: int = setting(contract.CHUNK_TOKENS)
    chunk_overlap_tokens: int = setting(contract.CHUNK_OVERLAP_TOKENS)
    access_token_seconds: int = setting(contract.ACCESS_TOKEN_SECONDS)
    refresh_token_days: int = setting(contract.REFRESH_TOKEN_DAYS)
    """Of a token that is not used; each refresh gives a new one."""
    session_days: int = setting(contract.SESSION_DAYS)

    @model_validator(mode="after")
    def _chunks_advance(self) -> Self:
        if problem := overlap_problem(self.chunk_tokens, self.chunk_overlap_tokens):
            raise ValueError(problem)
        return self
