"""The function's configuration: its environment variables, read and checked in one place.

Secrets are not here: they are read by reference (`lambdas.shared.secrets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from lambdas.embedding.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTION = "embedding"


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What OpenAI says of a model: https://platform.openai.com/docs/guides/embeddings"""

    dimensions: int
    """The default, and the most that can be asked for."""
    shortens: bool
    """Whether `dimensions` may be asked for."""
    max_tokens: int = 8_192
    """Per input."""


MODELS = {
    "text-embedding-ada-002": EmbeddingModel(1_536, shortens=False),
    "text-embedding-3-small": EmbeddingModel(1_536, shortens=True),
    "text-embedding-3-large": EmbeddingModel(3_072, shortens=True),
}
ALIASES = {"text-embedding-ada-002-v2": "text-embedding-ada-002"}
"""The first is the name on OpenAI's usage page, and not one that the API accepts."""


def _model_name(value: str) -> str:
    name = ALIASES.get(value, value)
    if name not in MODELS:
        raise ValueError(f"must be one of {', '.join(MODELS)}")
    return name


def _ascii(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be printable ASCII characters, as Pinecone's namespaces are")
    return value


class Settings(BaseModel):
    """Field names are the variables' names."""

    model_config = ConfigDict(frozen=True)

    OPENAI_BASE_URL: Annotated[str, Field(pattern=r"^https?://\S+$")] = "https://api.openai.com/v1"
    """Of OpenAI, or of a server that speaks its API."""
    OPENAI_TIMEOUT: Annotated[float, Field(gt=0, le=900, allow_inf_nan=False)] = 20.0
    """Seconds, for each attempt."""
    OPENAI_MAX_RETRIES: Annotated[int, Field(ge=0, le=10)] = 3
    OPENAI_EMBEDDING_MODEL: Annotated[str, AfterValidator(_model_name)] = "text-embedding-ada-002"
    OPENAI_EMBEDDING_DIMENSIONS: Annotated[int, Field(ge=1)] | None = None
    PINECONE_INDEX_HOST: Annotated[str, Field(pattern=r"^\S+$")]
    """As Pinecone shows it; `http://…` for a local one."""
    PINECONE_NAMESPACE: Annotated[str, Field(max_length=512), AfterValidator(_ascii)] = ""
    """For messages that name none."""

    @model_validator(mode="after")
    def _dimensions_fit_the_model(self) -> Self:
        asked, model = self.OPENAI_EMBEDDING_DIMENSIONS, self.model
        if asked is not None and not model.shortens:
            raise ValueError(
                f"OPENAI_EMBEDDING_DIMENSIONS is {asked}, and {self.OPENAI_EMBEDDING_MODEL} has {model.dimensions} "
                "always: leave it unset, or use a text-embedding-3 model"
            )
        if asked is not None and asked > model.dimensions:
            raise ValueError(
                f"OPENAI_EMBEDDING_DIMENSIONS is {asked}, and {self.OPENAI_EMBEDDING_MODEL} has at most "
                f"{model.dimensions}"
            )
        return self

    @property
    def model(self) -> EmbeddingModel:
        """What is known of the model."""
        return MODELS[self.OPENAI_EMBEDDING_MODEL]

    @property
    def dimensions(self) -> int:
        """The length of the vectors."""
        return self.OPENAI_EMBEDDING_DIMENSIONS or self.model.dimensions

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables; an empty one counts as unset.

        Raises:
            ConfigurationError: names every wrong variable at once.
        """
        given = {name: environment[name] for name in cls.model_fields if environment.get(name)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise ConfigurationError("; ".join(map(_explained, error.errors()))) from None


def _explained(error: object) -> str:
    """One wrong variable: its name, its value, the rule."""
    details: dict[str, object] = dict(error) if isinstance(error, dict) else {}
    location = details.get("loc") or ()
    message = str(details.get("msg", "")).removeprefix("Value error, ")
    if not isinstance(location, tuple) or not location:
        return message
    if details.get("type") == "missing":
        return f"{location[0]} is not set"
    return f"{location[0]} is {details.get('input')!r}: {message[:1].lower()}{message[1:]}"
