"""The embedding system's config: its keys, their defaults, and the rules between them."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from components import limits, values
from components.function_settings import COMMON_VARIABLES, SecretReference, one_reference, variables_are_free
from components.queue_settings import QueueSettings
from components.validation import Rule

OPENAI_URL: Final = "https://api.openai.com/v1"
OPENAI_DIMENSIONS: Final = {"text-embedding-3-small": 1_536, "text-embedding-3-large": 3_072}
"""Models that take `dimensions`, and the most they give: https://platform.openai.com/docs/guides/embeddings."""
DEADLINE_RESERVE_SECONDS: Final = 15
"""Of the function's timeout, beside the embeddings call: start-up, the upsert, and the 5 s in which it stops work."""

EMBEDDING_VARIABLES: Final = frozenset(
    {
        *(
            f"{secret}_{kind}"
            for secret in ("OPENAI_API_KEY", "PINECONE_API_KEY")
            for kind in ("SECRET_ARN", "PARAMETER")
        ),
        *("OPENAI_BASE_URL", "OPENAI_TIMEOUT", "OPENAI_MAX_RETRIES", "OPENAI_EMBEDDING_MODEL"),
        *("OPENAI_EMBEDDING_DIMENSIONS", "PINECONE_INDEX_HOST", "PINECONE_NAMESPACE"),
        *COMMON_VARIABLES,
        "TIKTOKEN_CACHE_DIR",
    }
)


def openai_seconds(timeout: float, retries: int) -> float:
    """Return how long an embeddings call may take, in seconds: all tries, and the client's waiting between them.

    The official client waits 0.5 s, doubled each time up to 8 s:
    https://github.com/openai/openai-python/blob/main/src/openai/_constants.py.

    Args:
        timeout: Of one try, in seconds.
        retries: After the first try.
    """
    return timeout * (retries + 1) + sum(min(0.5 * 2**attempt, 8.0) for attempt in range(retries))


def timeout_covers_openai(section: EmbeddingSettings) -> str | None:
    """The function outlives its slowest embeddings call."""
    call = openai_seconds(section.openai_timeout_seconds, section.openai_max_retries)
    needed = math.ceil(call + DEADLINE_RESERVE_SECONDS)
    if section.timeout_seconds >= needed:
        return None
    raise_it = f"raise timeout_seconds to {needed}, or " if needed <= limits.FUNCTION_TIMEOUT.high else ""
    return (
        f"is {section.timeout_seconds}: OpenAI may take {section.openai_timeout_seconds:g} s, for each of "
        f"{section.openai_max_retries + 1} tries, {call:g} s with the waits between them, and "
        f"{DEADLINE_RESERVE_SECONDS} s are for the start, the upsert and the answer. Lambda would cut batches off "
        f"while they are retried, and repeat them whole: {raise_it}lower openai_timeout_seconds or openai_max_retries."
    )


def dimensions_fit(section: EmbeddingSettings) -> str | None:
    """Only newer models shorten their vectors, and none lengthens them."""
    if section.dimensions is None:
        return None
    most = OPENAI_DIMENSIONS.get(section.openai_embedding_model)
    if most is None:
        return (
            f"is {section.dimensions}: {section.openai_embedding_model} always gives 1536, and OpenAI refuses the "
            f"argument. Leave it out, or use one of {', '.join(OPENAI_DIMENSIONS)}."
        )
    if section.dimensions > most:
        return (
            f"is {section.dimensions}: {section.openai_embedding_model} gives {most} at most. Lower it or leave it out."
        )
    return None


class EmbeddingSettings(QueueSettings):
    """The embedding system: SQS queue → function → OpenAI embeddings → Pinecone."""

    unshown: ClassVar[frozenset[str]] = frozenset({"environment", "openai_api_key", "pinecone_api_key"})
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("timeout_seconds", "openai_timeout_seconds", "openai_max_retries"), timeout_covers_openai),
        *QueueSettings.rules,
        Rule(("dimensions", "openai_embedding_model"), dimensions_fit),
        Rule(("environment",), variables_are_free("embedding", EMBEDDING_VARIABLES)),
    )

    openai_base_url: Annotated[str, AfterValidator(values.api_url)] = Field(
        default=OPENAI_URL, description="OpenAI, or a server that speaks its API."
    )
    openai_timeout_seconds: float = Field(default=20.0, ge=0.1, le=600, description="Of one embeddings request.")
    openai_max_retries: int = Field(default=3, ge=0, le=10, description="After a timeout, 429 or 5xx.")
    openai_embedding_model: Literal[
        "text-embedding-ada-002", "text-embedding-ada-002-v2", "text-embedding-3-small", "text-embedding-3-large"
    ] = Field(
        default="text-embedding-ada-002",
        description="The embedding model, whose token limit the function keeps to. `-v2` is a name for ada-002.",
    )
    dimensions: int | None = Field(
        default=None, ge=1, le=20_000, description="Shortens the vectors of text-embedding-3-*; must match the index."
    )
    pinecone_index_host: Annotated[str, AfterValidator(values.index_host)] = Field(
        description="The index's host, from the Pinecone console."
    )
    pinecone_namespace: Annotated[str, AfterValidator(values.namespace)] | None = Field(
        default=None, description="For messages that name none; unset is the index's default namespace."
    )
    openai_api_key: Annotated[SecretReference, AfterValidator(one_reference)] | None = Field(
        default=None, description="`{secret_arn: …}` or `{parameter: …}`; unset makes an empty secret."
    )
    pinecone_api_key: Annotated[SecretReference, AfterValidator(one_reference)] | None = Field(
        default=None, description="`{secret_arn: …}` or `{parameter: …}`; unset makes an empty secret."
    )
