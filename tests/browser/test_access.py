"""For everybody: without a mouse, on a phone, by a screen reader's rules, in light and dark, below any path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser import papers
from tests.browser.visitor import PASSWORD, READ_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def tab_to(visitor: Visitor, wanted: Locator, most: int = 40) -> None:
    """Press Tab until something has the focus."""
    for _ in range(most):
        visitor.page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    raise AssertionError(f"{wanted} is not reached by {most} tabs")


def test_everything_works_without_a_mouse(visitor: Visitor) -> None:
    page, keys = visitor.page, visitor.page.keyboard
    page.goto(visitor.site.url)
    tab_to(visitor, page.get_by_role("button", name="Create an account"))
    keys.press("Enter")
    page.get_by_label("Email").focus()
    keys.type(visitor.email)
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    tab_to(visitor, page.get_by_role("link", name="Documents"))
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Documents")).to_be_focused()
    tab_to(visitor, page.locator("#files"))
    with page.expect_file_chooser() as chooser:
        keys.press("Space")
    name, data = papers.HARBOUR
    chooser.value.set_files({"name": name, "mimeType": "application/pdf", "buffer": data})
    expect(visitor.document(name)).to_contain_text("Ready", timeout=READ_MS)

    page.get_by_role("link", name="Ask", exact=True).focus()
    keys.press("Enter")
    page.get_by_label("Your question").focus()
    keys.type(papers.SHIPS)
    keys.press("Enter")
    expect(page.locator(".answer")).to_contain_text("4,200", timeout=READ_MS)
    cited = page.get_by_role("list", name="Sources").get_by_role("button").first
    page.get_by_role("button", name="Source 1").first.focus()
    tab_to(visitor, cited)
    keys.press("Enter")
    viewer = page.get_by_role("dialog", name=name)
    expect(viewer.locator(".mark").first).to_be_visible()
    tab_to(visitor, viewer.get_by_role("button", name="Close the page"))
    keys.press("Escape")
    expect(viewer).to_be_hidden()
    expect(cited).to_be_focused()

    page.get_by_role("link", name="Documents").focus()
    keys.press("Enter")
    tab_to(visitor, page.get_by_role("button", name=f"Delete: {name}"))
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Enter")
    expect(visitor.document(name)).to_have_count(0)
    expect(page.get_by_role("heading", name="Documents")).to_be_focused()


def test_the_first_tab_leads_past_the_navigation(ada: Visitor) -> None:
    ada.go("Search")
    ada.page.reload()
    ada.page.keyboard.press("Tab")
    expect(ada.page.get_by_role("link", name="Skip to content")).to_be_focused()
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("main")).to_be_focused()
    expect(ada.page.get_by_role("heading", name="Search")).to_be_visible()


def violations(visitor: Visitor) -> str:
    results = Axe().run(visitor.page)
    return results.generate_report() if results.violations_count else ""


def every_view(visitor: Visitor, look: Callable[[str], None]) -> None:
    """Look at every view, with something in it."""
    page = visitor.page
    page.goto(visitor.site.url)
    look("sign in")
    page.get_by_role("button", name="Sign in").click()
    look("sign in, wrong")
    visitor.enter()
    look("ask, empty")
    visitor.go("Documents")
    look("documents, empty")
    visitor.choose(papers.DAMAGED, papers.NOT_A_PDF)
    expect(visitor.document("damaged.pdf")).to_contain_text("Failed", timeout=READ_MS)
    visitor.read(papers.HARBOUR)
    look("documents")
    page.get_by_role("button", name="Delete: damaged.pdf").click()
    look("a question")
    page.keyboard.press("Escape")
    visitor.go("Search")
    page.get_by_role("searchbox").fill("crane crew")
    page.keyboard.press("Enter")
    page.get_by_role("list", name="Results").get_by_role("button").first.wait_for()
    look("search")
    visitor.go("Ask")
    visitor.ask(papers.SHIPS)
    look("ask")
    page.get_by_role("button", name="Source 1").first.click()
    page.locator(".mark").first.wait_for()
    page.get_by_text("Text of this page").click()
    look("a page")
    page.goto(f"{visitor.site.url}/docs")
    page.locator(".operation").first.wait_for()
    for operation in page.locator(".operation").all()[:4]:
        operation.locator("summary").click()
    look("the API")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_breaks_a_rule_of_accessibility(visitors: Callable[..., Visitor], scheme: str) -> None:
    visitor = visitors(color_scheme=scheme)
    found: dict[str, str] = {}
    every_view(visitor, lambda view: found.update({view: violations(visitor)}))
    assert not {view: report for view, report in found.items() if report}


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_every_view_without_scrolling_sideways(visitors: Callable[..., Visitor], width: int) -> None:
    visitor = visitors(viewport={"width": width, "height": 720}, has_touch=True, is_mobile=True)
    wide: list[str] = []

    def look(view: str) -> None:
        if visitor.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(view)

    every_view(visitor, look)
    assert not wide


def test_the_page_works_below_any_path(visitor: Visitor) -> None:
    with visitor.site.below("/_aws/execute-api/abc/$default") as address:
        page = visitor.page
        page.goto(f"{address}/")
        page.get_by_role("button", name="Create an account").click()
        page.get_by_label("Email").fill(visitor.email)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Create account").click()
        expect(page.locator("#who")).to_have_text(visitor.email)
        visitor.go("Documents")
        expect(page.locator("#documents-state")).to_contain_text("There is nothing here yet")
        page.goto(f"{address}/docs")
        expect(page.locator(".operation").first).to_be_visible()
        assert all(url.startswith(address) for url in visitor.requested)


def test_the_description_shows_every_route(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.site.url}/docs")
    visitor.page.locator(".operation").first.wait_for()
    shown = visitor.page.locator(".operation summary code").all_text_contents()
    paths = visitor.site.world.app.openapi()["paths"]
    assert sorted(shown) == sorted(path for path, methods in paths.items() for _ in methods)
