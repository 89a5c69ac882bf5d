"""The embedding_processor: buckets → SNS topic → function, which computes embeddings itself → Supabase.

Owns its config and how its blocks are joined. What the function does is in `lambdas/embedding_processor`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import pulumi
from pulumi import ResourceOptions
from pydantic import AfterValidator, Field

from components import limits, policies, values
from components.bucket_trigger import CREATED, REMOVED, BucketKeys, BucketUse, ObjectFilter
from components.chunk_rule import chunks_advance
from components.fields import form, key, parameter, variable
from components.function_settings import FunctionSettings
from components.package import Folder, Image, Zip
from components.section import Rule
from components.shared_bucket import literal
from components.system import System
from components.topic_trigger import TopicTrigger, TopicTriggerArgs
from lambdas.embedding_processor import contract
from lambdas.shared.contract import overlap_is_too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.house import House, SystemArgs


IMAGES: Final = {
    "onnx-image": ("embedding-dependencies", Folder("model", "models/all-minilm-l6-v2", "model.onnx")),
    "torch-image": ("embedding-torch", Folder("model", "models/all-minilm-l6-v2-torch", "model*.safetensors")),
}
"""The layer of each, and all-MiniLM-L6-v2 in its form."""


def archive_is_checked(section: EmbeddingProcessorSettings) -> str | None:
    """A model from S3 is fetched once, and used when it is the right one."""
    if (section.model_uri is None) == (section.model_sha256 is None):
        return None
    missing = "model_sha256" if section.model_sha256 is None else "model_uri"
    return (
        f"is {section.model_uri}, and model_sha256 is {section.model_sha256}: the two belong together. Set {missing}."
    )


def cpu_fits(section: EmbeddingProcessorSettings) -> str | None:
    """Each of the two that compute embeddings has one CPU."""
    if section.package == "torch-image" and section.architecture != "arm64":
        return (
            f"is {section.architecture}, and package is torch-image: for that CPU the index has torch with CUDA alone, "
            "5.8 GB that Lambda cannot use. Set arm64, or package onnx-image, which has the same vectors."
        )
    if section.package != "torch-image" and section.architecture != "x86_64":
        return f"is {section.architecture}: ONNX Runtime crashes on Lambda's arm64. Set x86_64."
    return None


def memory_covers_torch(section: EmbeddingProcessorSettings) -> str | None:
    """One that is ended while it starts says nothing of why."""
    least = contract.LEAST_TORCH_MEMORY_MB
    if section.package != "torch-image" or section.memory_mb >= least:
        return None
    return f"is {section.memory_mb}, and package is torch-image: loading torch takes up to {least:,}. Raise it."


def model_is_fetched_by_a_zip(section: EmbeddingProcessorSettings) -> str | None:
    """An image has its model inside."""
    if section.package == "onnx-layers" or section.model_uri is None:
        return None
    return f"is {section.package}, which has its model inside: remove model_uri and model_sha256, or use onnx-layers."


def timeout_covers_files(section: EmbeddingProcessorSettings) -> str | None:
    """Each try of a long text goes on where the one before ran out of time."""
    speed = contract.TORCH_TOKENS_A_SECOND if section.package == "torch-image" else contract.TOKENS_A_SECOND
    needed = contract.seconds_for(section.max_file_bytes, section.memory_mb, speed)
    tries = contract.ATTEMPTS * (section.timeout_seconds - contract.DISCONNECT_SECONDS)
    if needed <= tries:
        return None
    return (
        f"is {section.max_file_bytes:,}: such a text takes about {needed:,} s with memory_mb {section.memory_mb:,}, "
        f"and {contract.ATTEMPTS} tries of timeout_seconds {section.timeout_seconds} have {tries:,}. Lower it, or "
        "raise those."
    )


class EmbeddingProcessorSettings(FunctionSettings):
    """The embedding_processor: buckets → topic → function with a model of its own → Supabase."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("chunk_overlap_tokens", "chunk_tokens"), chunks_advance(overlap_is_too_large)),
        Rule(("model_uri", "model_sha256"), archive_is_checked),
        Rule(("architecture", "package"), cpu_fits),
        Rule(("memory_mb", "package"), memory_covers_torch),
        Rule(("package", "model_uri"), model_is_fetched_by_a_zip),
        Rule(("max_file_bytes", "memory_mb", "timeout_seconds", "package"), timeout_covers_files),
    )
    wired: ClassVar[tuple[str, ...]] = (contract.DEAD_LETTER_QUEUE_URL,)

    architecture: Literal["arm64", "x86_64"] = key(
        "Lambda's CPU: x86_64, or arm64 with `torch-image`.", default="x86_64"
    )
    memory_mb: int = key(
        "Memory; CPU grows with it.",
        default=contract.DEFAULT_MEMORY_MB,
        limit=limits.FUNCTION_MEMORY.above(contract.LEAST_MEMORY_MB),
    )
    timeout_seconds: int = key(
        "When Lambda cuts an invocation off. What is left of a long text is done by the next try.",
        default=contract.DEFAULT_TIMEOUT_SECONDS,
        limit=limits.FUNCTION_TIMEOUT.above(contract.LEAST_TIMEOUT_SECONDS),
    )
    package: Literal["onnx-layers", "onnx-image", "torch-image"] = key(
        "ONNX Runtime and its model in layers or in an image, or sentence-transformers with torch in an image.",
        default="onnx-layers",
    )
    model: Annotated[str, form(r"[a-z0-9][a-z0-9._-]*", "it must be the name of a folder in models/")] | None = key(
        "The folder in `models/` that an image brings; unset is all-MiniLM-L6-v2 in the image's form.", default=None
    )
    buckets: Annotated[list[BucketKeys], Field(min_length=1)] = key(
        "Where texts come from: `[{name: texts, prefix: in/, suffix: .txt}, …]`.",
        default=lambda: [BucketKeys(name="texts")],
    )
    ssm_parameter_name: Annotated[str, AfterValidator(values.parameter_name)] = parameter(
        contract.SUPABASE_CONFIG,
        contract.SSM_PARAMETER_NAME,
        'The SecureString with `{"url": …, "service_key": …}`, which `ops secret set` writes.',
    )
    model_uri: Annotated[str, form(r"s3://[a-z0-9][a-z0-9.-]+/[^*?]+", "it must be s3://bucket/key")] | None = variable(
        contract.MODEL_URI, "An archive of a model folder, `s3://bucket/key.tar`, instead of the layer's model."
    )
    model_sha256: Annotated[str, form(r"[0-9a-f]{64}", "it must be 64 hexadecimal digits")] | None = variable(
        contract.MODEL_SHA256, "Of that archive."
    )
    chunk_tokens: int = variable(
        contract.CHUNK_TOKENS, "Of one chunk, at most; the model's own limit counts when it is lower."
    )
    chunk_overlap_tokens: int = variable(contract.CHUNK_OVERLAP_TOKENS, "That a chunk repeats of the one before.")
    pooling: Literal["chunks", "document"] = variable(
        contract.POOLING, "A row a chunk, or a row a document with the mean of its chunks."
    )
    max_file_bytes: int = variable(contract.MAX_FILE_BYTES, "Larger files are refused.")

    def bucket_uses(self) -> Iterator[BucketUse]:
        """Yield where texts come from."""
        for bucket in self.buckets:
            yield BucketUse(bucket=bucket.name, told_of=told_of(bucket))


class EmbeddingProcessorSystem(pulumi.ComponentResource):
    """The whole system, ready for texts once its parameter is filled and the migration applied."""

    def __init__(
        self,
        name: str,
        args: SystemArgs[EmbeddingProcessorSettings],
        house: House,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("strata:components:EmbeddingProcessorSystem", name, None, opts)
        child, settings = ResourceOptions(parent=self), args.settings
        dead_letters = house.dead_letters(name, self)
        self.function = house.function(
            name,
            args,
            statements=_statements(settings, house),
            wired={contract.DEAD_LETTER_QUEUE_URL: dead_letters.url},
            dead_letters=dead_letters,
            opts=child,
        )
        names = list(dict.fromkeys(bucket.name for bucket in settings.buckets))
        trigger = TopicTrigger(
            name,
            TopicTriggerArgs(
                function=self.function,
                account_id=house.account.account_id,
                source_bucket_arns=[house.bucket(each).arn for each in names],
            ),
            child,
        )
        for bucket in settings.buckets:
            house.bucket(bucket.name).tell(trigger, told_of(bucket))
        self.register_outputs({"topic_arn": trigger.topic.arn})


def told_of(bucket: BucketKeys) -> ObjectFilter:
    """Return the objects whose coming and going reach the function."""
    return ObjectFilter(prefix=bucket.prefix, suffix=bucket.suffix, events=(CREATED, REMOVED))


def _statements(settings: EmbeddingProcessorSettings, house: House) -> list[policies.Statement]:
    """Read texts and find that one is gone; fetch the model where that is in S3."""
    shared = {bucket.name: house.bucket(bucket.name) for bucket in settings.buckets}
    objects = dict.fromkeys((bucket.name, bucket.prefix) for bucket in settings.buckets)
    place = literal(settings.model_uri.removeprefix("s3://")) if settings.model_uri is not None else None
    model = [pulumi.Output.concat("arn:", house.account.partition, ":s3:::", place)] if place is not None else []
    return [
        policies.Statement(
            sid="ReadTexts",
            actions=("s3:GetObject",),
            resources=tuple(shared[name].objects_arn(prefix) for name, prefix in objects),
        ),
        policies.Statement(
            sid="FindTexts", actions=("s3:ListBucket",), resources=tuple(bucket.arn for bucket in shared.values())
        ),
        *(policies.Statement(sid="FetchModel", actions=("s3:GetObject",), resources=(arn,)) for arn in model),
        *house.bucket_key(and_encrypt=False),
    ]


def package(settings: EmbeddingProcessorSettings) -> Zip | Image:
    """Return what the function is shipped as: the model in a layer, in S3, or in the image."""
    if settings.package == "onnx-layers":
        layers = ("embedding-dependencies", "embedding-model")
        return Zip(layers if settings.model_uri is None else layers[:1])
    layer, folder = IMAGES[settings.package]
    if settings.model is not None:
        folder = replace(folder, path=f"models/{settings.model}")
    return Image((layer,), folders=(folder,))


SYSTEM: Final = System(EmbeddingProcessorSettings, EmbeddingProcessorSystem, package=package)
