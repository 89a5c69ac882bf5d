"""PDFs to the function by direct invocation: images to S3, pages in the answer, and files that break careless readers.

Every answer is held against what is known to be in the file, and every image in S3 against its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from sandbox.demos import Demo
from sandbox.demos.image_processor import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud import LocalCloud
    from sandbox.screen import Steps

FUNCTION: Final = "image_processor"
PREFIX: Final = "work/"
"""That the function may read and write under."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what came of it."""

    file: str
    operation: str
    outcome: str
    right: bool
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Image:
    """One image of the report."""

    what: str
    pages: list[int]
    size: str
    bytes: int
    right: bool


@dataclass(slots=True)
class ImageReport:
    """What was answered."""

    images: list[Image] = field(default_factory=list[Image])
    requests: list[Request] = field(default_factory=list[Request])

    def faults(self) -> list[str]:
        """Which answers and images are not as they should be."""
        found = [f"{each.what}, pages {each.pages}: {each.size}" for each in self.images if not each.right]
        found += [f"{each.operation} of {each.file}: {each.outcome}" for each in self.requests if not each.right]
        return found if self.requests else ["nothing was asked"]

    def to_json(self) -> dict[str, Any]:
        """A plain object."""
        return asdict(self)

    def tables(self) -> Iterator[Table]:
        """The report's images, and all requests."""
        images = Table("Image", "Pages", "Pixels", "Bytes", title="Images of the report, in S3", title_justify="left")
        for image in self.images:
            pages = ", ".join(map(str, image.pages))
            images.add_row(f"{_mark(image.right)} {image.what}", pages, image.size, f"{image.bytes:,}")
        yield images
        requests = Table("File", "Operation", "Answer", "ms", title="Requests", title_justify="left")
        for request in self.requests:
            outcome = f"{_mark(request.right)} {request.outcome}"
            requests.add_row(request.file, request.operation, outcome, f"{request.milliseconds:,}")
        yield requests


def _mark(right: bool) -> str:
    return "[green]✓[/green]" if right else "[red]✗[/red]"


class _Caller:
    """Invokes the function at its alias, as another function would."""

    def __init__(self, cloud: LocalCloud, report: ImageReport) -> None:
        self._client = cloud.client("lambda")
        self._target = cloud.function(FUNCTION)["alias_arn"]
        self._report = report

    def ask(self, file: str, expected: str, **request: Any) -> dict[str, Any]:
        """Send a request, and note whether its status or its code is the expected one."""
        started = time.monotonic()
        answer = self._client.invoke(FunctionName=self._target, Payload=json.dumps(request).encode())
        result: dict[str, Any] = json.loads(answer["Payload"].read())
        milliseconds = round((time.monotonic() - started) * 1000)
        status = result.get("status", "no answer")
        found = result["error"]["code"] if status == "error" else status
        outcome = found if status == "error" else f"{len(result.get('images', []))} images"
        if result.get("skipped"):
            outcome += f", {len(result['skipped'])} skipped: {result['skipped'][0]['reason'].split(':')[0]}"
        self._report.requests.append(Request(file, str(request["operation"]), outcome, found == expected, milliseconds))
        return result


def _run(cloud: LocalCloud, steps: Steps, short: bool) -> ImageReport:
    report = ImageReport()
    caller = _Caller(cloud, report)
    with steps.step("Images extracted") as step:
        report.images = _extract(cloud, caller)
        step.detail = f"{sum(image.right for image in report.images)} of {len(samples.REPORT_IMAGES)} as expected"
    with steps.step("Pages drawn") as step:
        encoded = base64.b64encode(samples.report()).decode()
        drawn = caller.ask("report.pdf", "ok", operation="render_pages", file_bytes_base64=encoded, dpi=72)
        step.detail = f"{len(drawn.get('images', []))} pages, in the answer"
    with steps.step("Hostile files") as step:
        files = {"bomb.pdf": (samples.bomb(), "ok"), "holiday.png": (b"\x89PNG\r\n\x1a\n", "not_a_pdf")}
        if not short:
            files["endless.pdf"] = (samples.endless(), "timed_out")
        for name, (data, expected) in files.items():
            step.say(name)
            caller.ask(name, expected, operation="extract_images", file_bytes_base64=base64.b64encode(data).decode())
        step.detail = f"{len(files)} files, an answer each"
    return report


def _extract(cloud: LocalCloud, caller: _Caller) -> list[Image]:
    """Put the report into the bucket, have its images put beside it, and look at them there."""
    s3, bucket = cloud.client("s3"), cloud.outputs["buckets"]["images"]
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}report.pdf", Body=samples.report())
    answer = caller.ask(
        "report.pdf",
        "ok",
        operation="extract_images",
        bucket=bucket,
        key=f"{PREFIX}report.pdf",
        output={"bucket": bucket, "prefix": f"{PREFIX}report"},
    )
    left = list(samples.REPORT_IMAGES)
    found: list[Image] = []
    for entry in answer.get("images", []):
        body = s3.get_object(Bucket=entry["bucket"], Key=entry["key"])["Body"].read()
        facts = entry["width"], entry["height"], tuple(entry["pages"])
        expected = next((each for each in left if (each.width, each.height, each.pages) == facts), None)
        if expected is not None:
            left.remove(expected)
        right = expected is not None and hashlib.sha256(body).hexdigest() == entry["sha256"]
        what = expected.what if expected is not None else "not in the report"
        found.append(Image(what, entry["pages"], f"{entry['width']} by {entry['height']}", entry["bytes"], right))
    return [*found, *(Image(f"{each.what}: missing", list(each.pages), "", 0, right=False) for each in left)]


DEMO: Final = Demo(
    about="a PDF's images into a bucket, its pages as pictures, and files that break careless readers",
    run=_run,
    config=lambda _: {"timeout_seconds": 15},
    commands={"Invoke": "python -m ops invoke --stack local image_processor '{\"test\": true}'"},
)
