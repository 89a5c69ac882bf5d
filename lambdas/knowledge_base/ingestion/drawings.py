"""Pages that say more by what they show than by their text: the image processor makes images of them.

Owns which pages these are, and what is asked. A page of pictures is asked for its pictures, a page of lines and areas
for how it looks. What is wrong with a page costs its images and not the document: the text is there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.knowledge_base.documents.page import Image
from lambdas.knowledge_base.documents.places import images_prefix, original_key
from lambdas.knowledge_base.documents.problem import Code
from lambdas.knowledge_base.ingestion.outcomes import StepError
from lambdas.knowledge_base.telemetry import logger
from lambdas.shared.json_values import is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lambdas.knowledge_base.documents.document import Document
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.pdf.reading import Page

LITTLE_TEXT = 800
"""Characters: a page of prose has two or three thousand."""
MANY_IMAGES = 3
LARGE_IMAGES = 0.25
"""Of the page, that images cover."""
MANY_PATHS = 120
"""Lines and areas: a table has some dozens, a chart or a map hundreds."""
MOST_PAGES = 100
"""Of one document: the first ones. An album of scans would take longer than there is."""
PAGES_AT_ONCE = 20
DPI: Final = 110
"""Of a page's picture: as sharp as a screen shows it."""
CONNECT_SECONDS = 5
LEAST_SECONDS = 5.0
EXTRACT, RENDER = "extract_images", "render_pages"
_OF_THE_DOCUMENT = frozenset(
    {"damaged", "encrypted", "not_a_pdf", "page_out_of_range", "response_too_large", "timed_out", "too_large"}
    | {"too_many_pixels"}
)
"""Codes that say something about the pages: a retry would end in the same way."""


def operation(page: Page) -> str | None:
    """What a page is worth being asked for; None for a page of text."""
    if len("".join(page.text.split())) >= LITTLE_TEXT:
        return None
    if page.images >= MANY_IMAGES or page.image_cover >= LARGE_IMAGES:
        return EXTRACT
    return RENDER if page.paths >= MANY_PATHS else None


class Drawings:
    """The image processor."""

    def __init__(self, make_client: Callable[[Config], Any], arn: str | None, bucket: str) -> None:
        """Nothing is connected.

        Args:
            make_client: makes botocore's, for Lambda.
            arn: of the image processor; None where there is none.
            bucket: where files are, and images go.
        """
        self._make_client = make_client
        self._arn = arn
        self._bucket = bucket

    def of(self, document: Document, pages: Sequence[Page], deadline: Deadline) -> Mapping[int, list[Image]]:
        """Make images of the pages that are worth it.

        Args:
            document: as it was claimed.
            pages: all that it has.
            deadline: the images are of no use after it.

        Returns:
            Number of a page, from 1, to its images.

        Raises:
            StepError: the image processor did not answer, or refused; not because of the pages.
        """
        found: dict[int, list[Image]] = defaultdict(list)
        if self._arn is None:
            return found
        for asked, numbers in _groups(pages):
            for image in self._ask(document, asked, numbers, deadline):
                shown = Image(image["key"], image["width"], image["height"])
                for index in image["pages"]:
                    found[index + 1].append(shown)
        return found

    def _ask(
        self, document: Document, asked: str, numbers: Sequence[int], deadline: Deadline
    ) -> Sequence[Mapping[str, Any]]:
        name = f"{asked}-{numbers[0]}"
        answer = self._invoke(
            {
                "operation": asked,
                "bucket": self._bucket,
                "key": original_key(document.user_id, document.id),
                "page_numbers": [number - 1 for number in numbers],
                "output": {
                    "bucket": self._bucket,
                    "prefix": f"{images_prefix(document.user_id, document.id)}{document.run}/{name}/",
                },
                "dpi": DPI,
            },
            deadline,
        )
        if answer.get("status") == "ok":
            return answer["images"]
        error: dict[str, Any] = answer.get("error") or {}
        code, message = str(error.get("code")), str(error.get("message"))
        if code not in _OF_THE_DOCUMENT:
            raise StepError(Code.IMAGES_FAILED, f"image processor: {code}: {message}", may_pass=True)
        extra = {"document_id": document.id, "pages": list(numbers), "code": code, "detail": message}
        logger.warning("pages have no images", extra=extra)
        return []

    def _invoke(self, request: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        left = deadline.left()
        if left < LEAST_SECONDS:
            raise StepError(Code.TIMED_OUT, "no time is left for the images", may_pass=False)
        # Its answer takes as long as its work, and a second request would be the same work again.
        config = Config(connect_timeout=CONNECT_SECONDS, read_timeout=left, retries={"total_max_attempts": 1})
        try:
            answer = self._make_client(config).invoke(FunctionName=self._arn, Payload=json.dumps(request).encode())
            payload = json.loads(answer["Payload"].read())
        except (ClientError, BotoCoreError, ValueError) as error:
            detail = f"image processor: {type(error).__name__}: {error}"
            raise StepError(Code.IMAGES_FAILED, detail, may_pass=True) from None
        if answer.get("FunctionError") or not is_object(payload):
            raise StepError(Code.IMAGES_FAILED, f"image processor: {answer.get('FunctionError')}", may_pass=True)
        return payload


def _groups(pages: Sequence[Page]) -> Iterator[tuple[str, list[int]]]:
    """Operations, and the numbers of pages that one request has."""
    wanted = [(page.number, asked) for page in pages if (asked := operation(page)) is not None]
    for asked in (EXTRACT, RENDER):
        numbers = [number for number, each in wanted[:MOST_PAGES] if each == asked]
        for start in range(0, len(numbers), PAGES_AT_ONCE):
            yield asked, numbers[start : start + PAGES_AT_ONCE]
