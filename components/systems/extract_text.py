"""The extract_text system: bucket → function → results in a bucket, and chunks in the embedding system's queue.

Owns its config and how its blocks are joined. What the function does is in `lambdas/extract_text`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import pulumi
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import limits, policies, values
from components.bucket_trigger import CREATED, REMOVED, BucketKeys, BucketUse, ObjectFilter
from components.chunk_rule import chunks_advance
from components.fields import key, variable
from components.function_settings import FunctionSettings
from components.package import Image, Zip
from components.section import Rule
from components.system import System
from lambdas.extract_text import contract
from lambdas.shared.contract import MEMORY_PER_FILE, child_memory_bytes, overlap_is_too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.house import House, SystemArgs
    from components.shared_bucket import SharedBucket

MB: Final = 1024 * 1024


def files_fit(section: ExtractTextSettings) -> str | None:
    """A document is a file in /tmp, and in memory while its tables are read."""
    disk = section.ephemeral_storage_mb * MB
    memory = child_memory_bytes(section.memory_mb) // MEMORY_PER_FILE
    if section.max_file_bytes <= min(disk, memory):
        return None
    return (
        f"is {section.max_file_bytes:,}: ephemeral_storage_mb has room for {disk:,}, and memory_mb for {memory:,}. "
        "Lower it, or raise what is too small."
    )


class ExtractTextSettings(FunctionSettings):
    """The extract_text system: bucket → function → results in a bucket, chunks to the embedding system."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("chunk_overlap_tokens", "chunk_tokens"), chunks_advance(overlap_is_too_large)),
        Rule(("max_file_bytes", "memory_mb", "ephemeral_storage_mb"), files_fit),
    )
    wired: ClassVar[tuple[str, ...]] = (
        contract.RESULT_BUCKET,
        contract.EMBEDDING_QUEUE_URL,
        contract.DEAD_LETTER_QUEUE_URL,
    )

    memory_mb: int = key(
        "Memory; CPU grows with it. A document may use what is left beside the interpreter.",
        default=contract.DEFAULT_MEMORY_MB,
        limit=limits.FUNCTION_MEMORY.above(contract.LEAST_MEMORY_MB),
    )
    timeout_seconds: int = key(
        "When Lambda cuts an invocation off; a document that cannot be read in 70 % of it is `timed_out`.",
        default=contract.DEFAULT_TIMEOUT_SECONDS,
        limit=limits.FUNCTION_TIMEOUT.above(contract.LEAST_TIMEOUT_SECONDS),
    )
    package: Literal["zip", "image"] = key(
        "What it is shipped as: a zip on its layer, or a container image with the same contents, which needs "
        "`strata:images.bases`, and Docker where it is deployed from. A change replaces the function.",
        default="zip",
    )
    bucket: BucketKeys = key("Where documents come from.", default=BucketKeys)
    result_bucket: Annotated[str, AfterValidator(values.bucket_label)] = key(
        "The stack's bucket for results, by its name here.", default="results"
    )
    result_prefix: Annotated[str, AfterValidator(values.key_part)] = variable(
        contract.RESULT_PREFIX, "A result's key is this, the document's key and `.json`."
    )
    chunk_tokens: int = variable(contract.CHUNK_TOKENS, "Of one chunk, at most.")
    chunk_overlap_tokens: int = variable(
        contract.CHUNK_OVERLAP_TOKENS, "That a chunk repeats of the one before, at most."
    )
    encoding: Literal["cl100k_base", "o200k_base"] = variable(
        contract.TIKTOKEN_ENCODING, "How the embedding model counts tokens."
    )
    max_file_bytes: int = variable(contract.MAX_FILE_BYTES, "Larger files are refused.")
    max_pages: int = variable(contract.MAX_PAGES, "PDFs with more are refused.")
    settle_seconds: int = variable(
        contract.SETTLE_SECONDS,
        "How long a chunk may take from the queue to the index: what replaces it is held back for so long.",
    )

    @property
    def told_of(self) -> ObjectFilter:
        """The objects whose events reach the function."""
        return ObjectFilter(prefix=self.bucket.prefix, suffix=self.bucket.suffix, events=(CREATED, REMOVED))

    def bucket_uses(self) -> Iterator[BucketUse]:
        """Yield where documents come from, and where results go."""
        yield BucketUse(bucket=self.bucket.name, told_of=self.told_of)
        yield BucketUse(bucket=self.result_bucket, writes_under=self.result_prefix)


class ExtractTextSystem(pulumi.ComponentResource):
    """The whole system, ready for documents."""

    def __init__(
        self, name: str, args: SystemArgs[ExtractTextSettings], house: House, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("strata:components:ExtractTextSystem", name, None, opts)
        child, settings = ResourceOptions(parent=self), args.settings
        documents, results = house.bucket(settings.bucket.name), house.bucket(settings.result_bucket)
        embedding = house.of("embedding")
        queue = embedding.queue if embedding is not None else None
        dead_letters = house.dead_letters(name, self)
        self.function = house.function(
            name,
            args,
            statements=[
                *documents_statements(documents, settings),
                *results_statements(results, settings),
                *([policies.send_messages(queue.queue.arn)] if queue is not None else []),
                *house.bucket_key(and_encrypt=True),
            ],
            wired={
                contract.RESULT_BUCKET: results.name,
                contract.DEAD_LETTER_QUEUE_URL: dead_letters.url,
                **({contract.EMBEDDING_QUEUE_URL: queue.queue.url} if queue is not None else {}),
            },
            dead_letters=dead_letters,
            opts=child,
        )
        results.written_under(settings.result_prefix)
        documents.tell(self.function, settings.told_of)
        self.register_outputs({"documents": documents.name, "results": results.name})


def documents_statements(documents: SharedBucket, settings: ExtractTextSettings) -> list[policies.Statement]:
    """Return what reading documents needs: any version, and to learn that one is gone."""
    objects = documents.objects_arn(settings.bucket.prefix)
    return [
        policies.Statement(sid="ReadDocuments", actions=("s3:GetObject", "s3:GetObjectVersion"), resources=(objects,)),
        policies.find_objects("FindDocuments", documents.arn),
    ]


def results_statements(results: SharedBucket, settings: ExtractTextSettings) -> list[policies.Statement]:
    """Return what keeping results needs."""
    objects = results.objects_arn(settings.result_prefix)
    return [
        policies.Statement(
            sid="KeepResults", actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), resources=(objects,)
        ),
        policies.find_objects("FindResults", results.arn),
    ]


def shipped_as(settings: ExtractTextSettings) -> Zip | Image:
    """Return the package: the same code and packages in both."""
    layers = ("extract-text",)
    return Image(layers) if settings.package == "image" else Zip(layers)


SYSTEM: Final = System(ExtractTextSettings, ExtractTextSystem, package=shipped_as, uses=("embedding",))
