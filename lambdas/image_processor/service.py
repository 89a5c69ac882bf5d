"""One request from its file to its answer: the document is read in a child process, the answer is made here."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lambdas.image_processor import storage, work
from lambdas.image_processor.contract import MAX_ANSWER_BYTES, PARENT_MEMORY_BYTES, Answer, Code, Image
from lambdas.image_processor.errors import ProcessingError
from lambdas.image_processor.request import Request, S3Place, parse
from lambdas.shared import child
from lambdas.shared.child import How
from lambdas.shared.child_process import Limits

if TYPE_CHECKING:
    from lambdas.image_processor.settings import Settings
    from lambdas.shared.child import Ending
    from lambdas.shared.deadline import Deadline

MIB = 1024 * 1024
OUTPUT_BYTES = 8 * 1024 * MIB
"""All that one document may become: what leads to S3 goes there piece by piece."""
BASE64 = "it has to be without line breaks, without a `data:` prefix, and with + and / (not - and _)"
ENTRY_BYTES = 320
"""Of an image's entry in the answer, without its data."""


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, and what is said about it in the log."""

    answer: Answer
    ending: Ending


def process(event: object, settings: Settings, deadline: Deadline) -> Result:
    """Do what a request asks for.

    Args:
        event: the request.
        settings: limits.
        deadline: when the child has to be gone.

    Raises:
        ProcessingError: there is no result, and why.
    """
    request = parse(event)
    data = _file(request, settings.max_file_bytes)
    answer = _Collector(request)
    limits = _limits(settings, deadline, len(data))
    ending = child.run(lambda send: work.run(data, request, settings.max_pixels, send), limits, answer.receive)
    if ending.how is not How.FINISHED:
        raise _failure(ending, limits)
    if "error" in ending.value:
        raise ProcessingError(Code(ending.value["error"]["code"]), ending.value["error"]["message"])
    return Result(answer.finished(ending.value), ending)


def _file(request: Request, max_bytes: int) -> bytes:
    if isinstance(request.source, S3Place):
        return storage.read(request.source, max_bytes)
    try:
        data = base64.b64decode(request.source, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProcessingError(Code.BAD_REQUEST, f"`file_bytes_base64` is not valid base64: {error}; {BASE64}") from None
    if len(data) > max_bytes:
        raise ProcessingError(Code.TOO_LARGE, f"the file has {len(data):,} bytes; at most {max_bytes:,} are read")
    return data


def _limits(settings: Settings, deadline: Deadline, file_bytes: int) -> Limits:
    seconds = deadline.left()
    if seconds < 1:
        raise ProcessingError(Code.TIMED_OUT, "no time was left when the file was there: give the function more")
    memory = settings.memory_bytes - PARENT_MEMORY_BYTES - file_bytes
    if memory < MIB:
        raise ProcessingError(Code.TOO_LARGE, f"a file of {file_bytes:,} bytes needs a function with more memory")
    return Limits(cpu_seconds=int(seconds) + 1, wall_seconds=seconds, memory_bytes=memory, output_bytes=OUTPUT_BYTES)


def _failure(ending: Ending, limits: Limits) -> ProcessingError:
    if ending.timed_out:
        return ProcessingError(
            Code.TIMED_OUT,
            f"the document was not done after {limits.wall_seconds:.0f} s: ask for fewer pages, or give the function "
            "more time or memory (its share of a processor goes with it)",
        )
    if ending.how is How.MEMORY:
        return ProcessingError(
            Code.TOO_LARGE, f"the document needs more than the {limits.memory_bytes // MIB:,} MiB that it may use"
        )
    if ending.how is How.OUTPUT:
        return ProcessingError(Code.RESPONSE_TOO_LARGE, f"the images have over {OUTPUT_BYTES // MIB:,} MiB in all")
    detail = " ".join(filter(None, (ending.how.value, ending.error, ending.detail, ending.trace)))
    return ProcessingError(Code.DAMAGED, f"the document broke the program that reads it ({ending.how.value})", detail)


class _Collector:
    """Takes what the child sends, to S3 or into the answer."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._images: list[Image] = []
        self._bytes = 0

    def receive(self, value: Any, blob: bytes) -> None:
        """Take an image.

        Raises:
            ProcessingError: the answer is too large, or S3 refused.
        """
        output = self._request.output
        if output is None:
            encoded = base64.b64encode(blob).decode()
            self._count(ENTRY_BYTES + len(encoded))
            place = {"data_base64": encoded}
        else:
            self._count(ENTRY_BYTES)
            key = output.key + _name(value)
            storage.write(S3Place(output.bucket, key), blob, value["format"])
            place = {"bucket": output.bucket, "key": key}
        self._images.append(cast("Image", {**value, **place}))

    def finished(self, value: dict[str, Any]) -> Answer:
        """Make the answer of the images and what the child said at its end.

        Raises:
            ProcessingError: the answer is too large.
        """
        for index, pages in value["pages"].items():
            self._images[int(index)]["pages"] = pages
        answer: Answer = {
            "status": "ok",
            "operation": self._request.operation.value,
            "page_count": value["page_count"],
            "images": self._images,
            "skipped": value["skipped"],
        }
        if len(json.dumps(answer)) > MAX_ANSWER_BYTES:
            raise self._too_large()
        return answer

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_ANSWER_BYTES:
            raise self._too_large()

    def _too_large(self) -> ProcessingError:
        remedy = "ask for fewer pages" if self._request.output else "name an `output` in S3, or ask for fewer pages"
        limit = f"{MAX_ANSWER_BYTES:,} bytes that an answer may have"
        return ProcessingError(Code.RESPONSE_TOO_LARGE, f"the result is over the {limit}: {remedy}")


def _name(value: dict[str, Any]) -> str:
    """An object's name below the prefix: the same for the same request, so a retry overwrites."""
    return f"page-{value['page']:05}-image-{value['index']:05}.{value['format']}"
