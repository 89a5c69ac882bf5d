"""A document, a file's name and a model that want the page to do something: all of it is text, and nothing is loaded.

That no request left the origin, no script failed, no dialog came and no policy was violated is checked for everyone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import papers
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator

    from sandbox.standins.openai.moods import Mood
    from tests.browser.served import Site
    from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

NAME = "<img src=x onerror=alert(1)> \u202egpj.pdf"
TEXT = (
    "<script>alert(document.cookie)</script>\n"
    "The lighthouse is <img src=http://evil.example/a.png onerror=alert(2)> painted green.\n"
    "![pixel](http://evil.example/b.png) [click](javascript:alert(3)) {{7*7}}\n"
    "!say <iframe src=http://evil.example/c></iframe> ![d](http://evil.example/d.png)"
)


@pytest.fixture
def told(site: Site) -> Iterator[Site]:
    yield site
    site.world.openai.moods.clear()


def made_by_text(within: Locator) -> int:
    """Elements that only markup in a text could have made."""
    return within.locator(
        "script:not([src]), iframe, img:not([role]), object, embed, form[action], base, a[href*=':']"
    ).count()


@pytest.mark.parametrize("mood", ["good", "gullible", "markup"])
def test_what_a_document_and_a_model_say_is_text(ada: Visitor, told: Site, mood: Mood) -> None:
    page = ada.page
    ada.go("Documents")
    ada.choose((NAME, text_pdf([TEXT])))
    row = ada.document("<img src=x onerror=alert(1)>")
    expect(row).to_contain_text("Ready", timeout=60_000)
    told.world.openai.moods.always(mood)
    ada.go("Search")
    page.get_by_role("searchbox").fill("lighthouse painted")
    page.keyboard.press("Enter")
    found = page.get_by_role("list", name="Results").get_by_role("button").first
    expect(found).to_contain_text("<img src=http://evil.example/a.png")
    found.click()
    viewer = page.get_by_role("dialog")
    expect(viewer.get_by_role("img")).to_be_visible()
    viewer.get_by_text("Text of this page").click()
    expect(viewer.locator("#viewer-text")).to_contain_text("<script>alert(document.cookie)</script>")
    viewer.get_by_role("button", name="Close the page").click()
    ada.go("Ask")
    ada.ask("What colour is the lighthouse? <img src=http://evil.example/e.png>")
    for view in ("#documents", "#results", "#messages", "#viewer", "#toasts"):
        assert made_by_text(page.locator(view)) == 0, view
    assert not [url for url in ada.requested if "evil.example" in url]


def test_a_script_that_got_in_anyway_would_not_run_and_could_not_call_home(ada: Visitor) -> None:
    ada.read(papers.GARDEN)
    ran = ada.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            const called = await fetch("http://evil.example/").then(() => true, () => false);
            return Boolean(window.ran) || called;
        }"""
    )
    assert ran is False
    refused = [line for line in ada.wrong if "Content Security Policy" in line]
    assert len(refused) >= 2, "both were refused by the policy, and the watcher of violations sees them"
    ada.wrong.clear()
