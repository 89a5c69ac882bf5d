"""The image processor: invoked directly with a PDF, it answers with its images, or with renderings of its pages.

Owns its config and how its blocks are joined. What the function does is in `lambdas/image_processor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import pulumi
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import limits, policies, values
from components.bucket_trigger import BucketUse
from components.fields import key, variable
from components.function_settings import FunctionSettings
from components.package import Zip
from components.section import Rule, Section
from components.system import System
from lambdas.image_processor import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.house import House, SystemArgs

MIB: Final = 1024 * 1024


def memory_covers_images(section: ImageProcessorSettings) -> str | None:
    """What is decoded fits the function's memory."""
    needed = -(-contract.memory_bytes(section.max_file_bytes, section.max_pixels) // MIB)
    if section.memory_mb >= needed:
        return None
    return (
        f"is {section.memory_mb}: a file of max_file_bytes and an image of max_pixels need {needed} MB, and a request "
        f"with such would fail. Raise memory_mb to {needed}, or lower max_pixels or max_file_bytes."
    )


class FilesKeys(Section):
    """The one place in S3 that the function may use."""

    bucket: Annotated[str, AfterValidator(values.bucket_label)] = key(
        "The stack's bucket, by its name here; systems that give the same name share it.", default="images"
    )
    prefix: Annotated[str, AfterValidator(values.key_part)] = key(
        "Keys that it may read and write start with it.", default="work/"
    )


class ImageProcessorSettings(FunctionSettings):
    """The image processor: images of PDFs, and their pages as images."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule(("memory_mb", "max_pixels", "max_file_bytes"), memory_covers_images),)

    memory_mb: int = key("Memory; CPU grows with it.", default=contract.DEFAULT_MEMORY_MB, limit=limits.FUNCTION_MEMORY)
    timeout_seconds: int = key("When Lambda cuts an invocation off.", default=300, limit=limits.FUNCTION_TIMEOUT)
    max_file_bytes: int = variable(contract.MAX_FILE_BYTES, "The largest PDF that is read.", at_least=1_024)
    max_pixels: int = variable(
        contract.MAX_PIXELS, "The largest image that is decoded, and the largest page that is drawn.", at_least=1_000
    )
    files: FilesKeys | None = key(
        "A place in S3 for PDFs and results: `{bucket: images, prefix: work/}`. Unset, the function has no "
        "permission but for its logs, and what a neighbour lends it: requests bring their file and take their images.",
        default=None,
    )

    def bucket_uses(self) -> Iterator[BucketUse]:
        """Yield where it writes."""
        yield from super().bucket_uses()
        if self.files is not None:
            yield BucketUse(bucket=self.files.bucket, writes_under=self.files.prefix)


class ImageProcessorSystem(pulumi.ComponentResource):
    """The function, with or without a prefix of a bucket."""

    def __init__(
        self, name: str, args: SystemArgs[ImageProcessorSettings], house: House, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("strata:components:ImageProcessorSystem", name, None, opts)
        child = ResourceOptions(parent=self)
        self.function = house.function(name, args, statements=_statements(args.settings, house), opts=child)
        self.register_outputs({"alias_arn": self.function.alias.arn})


def _statements(settings: ImageProcessorSettings, house: House) -> list[policies.Statement]:
    """Read and write under the one prefix; nothing is deleted or listed."""
    if settings.files is None:
        return []
    bucket = house.bucket(settings.files.bucket)
    bucket.written_under(settings.files.prefix)
    objects = bucket.objects_arn(settings.files.prefix)
    write = policies.Statement(sid="WriteImages", actions=("s3:PutObject",), resources=(objects,))
    return [policies.read_objects(objects), write, *house.bucket_key(and_encrypt=True)]


SYSTEM: Final = System(ImageProcessorSettings, ImageProcessorSystem, package=Zip(("pymupdf",)))
