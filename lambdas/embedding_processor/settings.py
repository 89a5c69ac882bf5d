"""The function's configuration: its environment variables, read and checked in one place.

Supabase's address and key are not here: they are read by reference (`supabase_config`).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lambdas.embedding_processor import contract
from lambdas.embedding_processor.errors import ConfigurationError
from lambdas.shared.contract import overlap_problem
from lambdas.shared.variables import VariableSettings, setting

FUNCTION = "embedding_processor"


class Settings(VariableSettings):
    """One field for each variable of the contract."""

    wrong = ConfigurationError

    parameter: str = setting(contract.SSM_PARAMETER_NAME, pattern=r"^[\w./-]+$")
    """A SecureString of Parameter Store."""
    model_path: str = setting(contract.MODEL_PATH, pattern="^/")
    """A folder."""
    model_uri: str | None = setting(contract.MODEL_URI, pattern=r"^s3://[a-z0-9.-]+/.+$")
    """An archive of such a folder, that is fetched once for each environment; None: it is there."""
    model_sha256: str | None = setting(contract.MODEL_SHA256, pattern="^[0-9a-f]{64}$")
    embedder: Literal["onnx", "sentence-transformers"] = setting(contract.EMBEDDER)
    chunk_tokens: int = setting(contract.CHUNK_TOKENS)
    chunk_overlap_tokens: int = setting(contract.CHUNK_OVERLAP_TOKENS)
    pooling: Literal["chunks", "document"] = setting(contract.POOLING)
    max_file_bytes: int = setting(contract.MAX_FILE_BYTES)
    dead_letter_queue_url: Annotated[
        str | None, Field(alias=contract.DEAD_LETTER_QUEUE_URL, pattern=r"^https?://\S+$")
    ] = None
    """Where events of files go that no retry can help. None: they are raised, and Lambda retries them first."""

    @model_validator(mode="after")
    def _chunks_advance(self) -> Self:
        if problem := overlap_problem(self.chunk_tokens, self.chunk_overlap_tokens):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _archive_has_a_checksum(self) -> Self:
        if (self.model_uri is None) != (self.model_sha256 is None):
            raise ValueError("MODEL_URI and MODEL_SHA256 are set together: the archive, and what it is checked by")
        return self
