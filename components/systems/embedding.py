"""The embedding system: SQS queue → function → OpenAI embeddings → Pinecone.

Owns its config and how its blocks are joined. What the function does is in `lambdas/embedding`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import pulumi
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import limits, values
from components.fields import form, key, secret, variable
from components.function_settings import FunctionSettings, Reference
from components.package import Zip
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs
from components.section import Rule
from components.system import System
from lambdas.embedding import contract
from lambdas.shared.openai_calls.contract import ALIASES, MODELS, openai_seconds

if TYPE_CHECKING:
    from components.house import House, SystemArgs

NAMESPACE: Final = form(r"[ -~]{0,512}", "it must be at most 512 printable ASCII characters, as Pinecone's are")


def timeout_covers_openai(section: EmbeddingSettings) -> str | None:
    """The function outlives its slowest embeddings call."""
    call = openai_seconds(section.openai_timeout_seconds, section.openai_max_retries)
    needed = math.ceil(call + contract.DEADLINE_RESERVE_SECONDS)
    if section.timeout_seconds >= needed:
        return None
    raise_it = f"raise timeout_seconds to {needed}, or " if needed <= limits.FUNCTION_TIMEOUT.high else ""
    return (
        f"is {section.timeout_seconds}: OpenAI may take {section.openai_timeout_seconds:g} s, for each of "
        f"{section.openai_max_retries + 1} tries, {call:g} s with the waits between them, and "
        f"{contract.DEADLINE_RESERVE_SECONDS} s are for the start, the upsert and the answer. Lambda would cut batches "
        f"off while they are retried, and repeat them whole: {raise_it}lower openai_timeout_seconds or "
        "openai_max_retries."
    )


def dimensions_fit(section: EmbeddingSettings) -> str | None:
    """Only newer models shorten their vectors, and none lengthens them."""
    name = section.openai_embedding_model
    model = MODELS[ALIASES.get(name, name)]
    if section.dimensions is None or (model.shortens and section.dimensions <= model.dimensions):
        return None
    if not model.shortens:
        others = ", ".join(name for name, other in MODELS.items() if other.shortens)
        return (
            f"is {section.dimensions}: {name} always gives {model.dimensions}, and OpenAI refuses the argument. Leave "
            f"it out, or use one of {others}."
        )
    return f"is {section.dimensions}: {name} gives {model.dimensions} at most. Lower it or leave it out."


def memory_covers_the_start(section: EmbeddingSettings) -> str | None:
    """What cannot start is not deployed."""
    if section.memory_mb >= contract.LEAST_MEMORY_MB:
        return None
    return (
        f"is {section.memory_mb}: loading the function's packages takes most of {contract.LEAST_MEMORY_MB} MB, so it "
        f"could never answer. Raise it to {contract.LEAST_MEMORY_MB} or more; with the memory comes more CPU."
    )


def namespace_is_free(section: EmbeddingSettings) -> str | None:
    """Documents are kept apart from what is known of deleted ones."""
    if section.pinecone_namespace != contract.DELETED_NAMESPACE:
        return None
    return f"is {section.pinecone_namespace}: the function keeps there what was deleted. Choose another name."


class EmbeddingSettings(FunctionSettings):
    """The embedding system: SQS queue → function → OpenAI embeddings → Pinecone."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("timeout_seconds", "openai_timeout_seconds", "openai_max_retries"), timeout_covers_openai),
        Rule(("dimensions", "openai_embedding_model"), dimensions_fit),
        Rule(("memory_mb",), memory_covers_the_start),
        Rule(("pinecone_namespace",), namespace_is_free),
    )

    queue: QueueKeys = key("The queue that feeds the function.", default=QueueKeys)
    openai_base_url: Annotated[str, AfterValidator(values.api_url)] = variable(
        contract.OPENAI_BASE_URL, "OpenAI, or a server that speaks its API."
    )
    openai_timeout_seconds: float = variable(contract.OPENAI_TIMEOUT, "Of one embeddings request.")
    openai_max_retries: int = variable(contract.OPENAI_MAX_RETRIES, "After a timeout, 429 or 5xx.")
    openai_embedding_model: Literal[
        "text-embedding-ada-002", "text-embedding-ada-002-v2", "text-embedding-3-small", "text-embedding-3-large"
    ] = variable(
        contract.OPENAI_EMBEDDING_MODEL,
        "The embedding model, whose token limit the function keeps to. `-v2` is a name for ada-002.",
    )
    dimensions: int | None = variable(
        contract.OPENAI_EMBEDDING_DIMENSIONS, "Shortens the vectors of text-embedding-3-*; must match the index."
    )
    pinecone_index_host: Annotated[str, AfterValidator(values.index_host)] = variable(
        contract.PINECONE_INDEX_HOST, "The index's host, from the Pinecone console."
    )
    pinecone_namespace: Annotated[str, NAMESPACE] | None = variable(
        contract.PINECONE_NAMESPACE,
        "For messages that name none; unset is the index's default namespace.",
        default=None,
    )
    openai_api_key: Reference | None = secret(contract.OPENAI_API_KEY)
    pinecone_api_key: Reference | None = secret(contract.PINECONE_API_KEY)


class EmbeddingSystem(pulumi.ComponentResource):
    """The whole system, ready to take messages once its two secrets are filled."""

    def __init__(
        self, name: str, args: SystemArgs[EmbeddingSettings], house: House, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("strata:components:EmbeddingSystem", name, None, opts)
        child = ResourceOptions(parent=self)
        self.function = house.function(name, args, opts=child)
        trigger = QueueTrigger(name, QueueTriggerArgs(function=self.function, keys=args.settings.queue), child)
        self.register_outputs({"queue_url": trigger.queue.url})


SYSTEM: Final = System(EmbeddingSettings, EmbeddingSystem, package=Zip(("openai-pinecone",)))
