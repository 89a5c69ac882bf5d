"""The function's configuration: its environment variables, read and checked in one place.

Secrets are not here: they are read by reference (`lambdas.shared.secret`).
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from lambdas.embedding import contract
from lambdas.shared.openai_calls.contract import ALIASES, MODELS, EmbeddingModel
from lambdas.shared.variables import VariableSettings, setting
from lambdas.shared.work_errors import ConfigurationError

FUNCTION = "embedding"


def _model_name(value: str) -> str:
    name = ALIASES.get(value, value)
    if name not in MODELS:
        raise ValueError(f"must be one of {', '.join(MODELS)}")
    return name


def _namespace(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be printable ASCII characters, as Pinecone's namespaces are")
    if value == contract.DELETED_NAMESPACE:
        raise ValueError("is where the function keeps what was deleted: choose another name")
    return contract.namespace_of(value)


class Settings(VariableSettings):
    """One field for each variable of the contract."""

    wrong = ConfigurationError

    openai_base_url: str = setting(contract.OPENAI_BASE_URL, pattern=r"^https?://\S+$")
    """Of OpenAI, or of a server that speaks its API."""
    openai_timeout_seconds: float = setting(contract.OPENAI_TIMEOUT, allow_inf_nan=False)
    """For each try."""
    openai_max_retries: int = setting(contract.OPENAI_MAX_RETRIES)
    model_name: Annotated[str, AfterValidator(_model_name)] = setting(contract.OPENAI_EMBEDDING_MODEL)
    asked_dimensions: int | None = setting(contract.OPENAI_EMBEDDING_DIMENSIONS)
    """None is the model's own."""
    pinecone_index_host: Annotated[str, Field(alias=contract.PINECONE_INDEX_HOST, pattern=r"^\S+$")]
    """As Pinecone shows it; `http://…` for a local one."""
    pinecone_namespace: Annotated[
        str, Field(alias=contract.PINECONE_NAMESPACE, max_length=512), AfterValidator(_namespace)
    ] = contract.DEFAULT_NAMESPACE
    """For messages that name none."""

    @model_validator(mode="after")
    def _dimensions_fit_the_model(self) -> Self:
        asked, model = self.asked_dimensions, self.model
        if asked is not None and not model.shortens:
            raise ValueError(
                f"OPENAI_EMBEDDING_DIMENSIONS is {asked}, and {self.model_name} has {model.dimensions} "
                "always: leave it unset, or use a text-embedding-3 model"
            )
        if asked is not None and asked > model.dimensions:
            raise ValueError(
                f"OPENAI_EMBEDDING_DIMENSIONS is {asked}, and {self.model_name} has at most {model.dimensions}"
            )
        return self

    @property
    def model(self) -> EmbeddingModel:
        """What is known of the model."""
        return MODELS[self.model_name]

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return self.asked_dimensions or self.model.dimensions
