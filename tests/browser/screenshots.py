"""Pictures of knowledge_base's page for the documentation, in docs/images: `python -m tests.browser.screenshots`.

They are of the page as the browser tests have it: the application itself, over an emulator and stand-ins.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from layer_builds.plan import REPOSITORY
from tests.browser.chromium import NoBrowserError, chromium

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser, Page

    from tests.browser.served import Site
    from tests.browser.visitor import Visitor

IMAGES: Final = REPOSITORY / "docs" / "images"
MOST_BYTES: Final = 150_000
COLORS: Final = 128
"""Of a picture: the page has few, and its letters stay sharp."""
DESK: Final[dict[str, Any]] = {"viewport": {"width": 1280, "height": 720}, "color_scheme": "light"}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 740},
    "color_scheme": "dark",
    "has_touch": True,
    "is_mobile": True,
}
BEES: Final = "beekeepers-year.pdf"
EMAIL: Final = "ada@example.org"
BICYCLES: Final = "What does a reservation for bicycles cost?"
ACID: Final = "With which acid is the colony treated in December?"
MUSCLES: Final = "Which muscles do bees shiver with in winter?"


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures.

    Returns:
        0; 1 where a picture is too large; 2 where there is no browser.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--output", type=Path, default=IMAGES, help="the folder (default: docs/images)")
    output = parser.parse_args(arguments).output
    logging.disable(logging.INFO)  # the function's own log
    try:
        with chromium() as browser, _site() as site:
            pictures = _pictures(browser, site)
    except NoBrowserError as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 2
    output.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (output / name).write_bytes(picture)
        print(f"{output / name}  {len(picture) / 1000:.0f} kB")
    large = [name for name, picture in pictures.items() if len(picture) > MOST_BYTES]
    if large:
        print(f"error: over {MOST_BYTES} bytes, which is the most: {', '.join(large)}", file=sys.stderr)
    return 1 if large else 0


@contextmanager
def _site() -> Generator[Site]:
    from sandbox.emulator import Emulator  # nothing of it is needed to say that there is no browser
    from sandbox.workspace import Workspace
    from tests.browser.served import serve

    with tempfile.TemporaryDirectory() as folder, Workspace("screenshots", Path(folder)) as workspace:
        emulator = Emulator(workspace)
        with serve(emulator.start(), os.environ.__setitem__) as site:
            yield site
        emulator.stop()


def _pictures(browser: Browser, site: Site) -> dict[str, bytes]:
    """File name to picture of each."""
    from tests.browser.visitor import Visitor

    new_context: Any = browser.new_context
    with new_context(reduced_motion="reduce", **DESK) as desk, new_context(reduced_motion="reduce", **PHONE) as phone:
        ada = Visitor(desk, site)
        ada.email = EMAIL
        ada.enter()
        pictures = {**_documents(ada), **_answer(ada), **_quote(ada)}
        ada.check()
        walker = Visitor(phone, site)
        walker.email = EMAIL
        walker.page.goto(site.url)
        walker.sign_in()
        pictures |= _phone(walker)
        walker.check()
    return pictures


def _documents(ada: Visitor) -> dict[str, bytes]:
    """The documents, read."""
    from sandbox.demos.knowledge_base import samples

    ada.read((BEES, beekeepers_year()), (samples.NIGHT_TRAINS, samples.night_trains()))
    return {"knowledge_base-documents.png": _taken(ada.page, 520)}


def _answer(ada: Visitor) -> dict[str, bytes]:
    """Two answers with their sources."""
    ada.go("Ask")
    ada.ask(BICYCLES)
    ada.ask(ACID)
    ada.page.locator(".answer", has_text="oxalic").wait_for()
    return {"knowledge_base-answer.png": _taken(ada.page)}


def _quote(ada: Visitor) -> dict[str, bytes]:
    """The page of a source beside the answer, its quote marked."""
    ada.page.set_viewport_size({"width": 1280, "height": 800})
    ada.page.get_by_role("list", name="Sources").last.get_by_role("button").first.click()
    ada.page.locator(".mark").first.wait_for()
    return {"knowledge_base-quote.png": _taken(ada.page)}


def _phone(walker: Visitor) -> dict[str, bytes]:
    """An answer on a phone, in the dark."""
    walker.ask(MUSCLES)
    return {"knowledge_base-phone.png": _taken(walker.page)}


def _taken(page: Page, height: int | None = None) -> bytes:
    """What the window shows, or its upper part, as a PNG of few colors."""
    from PIL import Image

    page.locator(".toast").first.wait_for(state="detached")
    page.evaluate("document.activeElement.blur(); scrollTo(0, document.body.scrollHeight)")
    page.mouse.move(1, 1)
    out = io.BytesIO()
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.crop((0, 0, picture.width, height or picture.height))
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def beekeepers_year() -> bytes:
    """A handbook: its topics on a page."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A5
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import HRFlowable, Paragraph, SimpleDocTemplate

    from sandbox.demos.extract_text.documents import HANDBOOK

    title = ParagraphStyle("title", fontName="Times-Bold", fontSize=24, leading=30)
    topic = ParagraphStyle("topic", fontName="Times-Bold", fontSize=14, leading=18, spaceBefore=16, spaceAfter=4)
    body = ParagraphStyle("body", fontName="Times-Roman", fontSize=11.5, leading=16)
    story: list[Any] = [Paragraph("The beekeeper's year", title)]
    story.append(HRFlowable(width="100%", color=colors.HexColor("#c58b00"), thickness=2, spaceBefore=6, spaceAfter=4))
    for heading, text in HANDBOOK.items():
        story += [Paragraph(heading, topic), Paragraph(text, body)]
    out = io.BytesIO()
    SimpleDocTemplate(
        out, pagesize=A5, invariant=True, leftMargin=48, rightMargin=48, topMargin=44, bottomMargin=40
    ).build(story)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
