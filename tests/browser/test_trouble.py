"""What people see when the network or the service fails them: words, their work kept, and a way on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import papers

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

UNAVAILABLE = json.dumps({"error": {"code": "search_unavailable", "message": "The index is having a rest."}})
GATEWAY = json.dumps({"message": "Service Unavailable"})
INTERNAL = json.dumps({"error": {"code": "internal", "message": "Something about request 123."}})


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, UNAVAILABLE, "The index is having a rest."),
        (503, GATEWAY, "Something went wrong on our side"),
        (500, INTERNAL, "Something went wrong on our side"),
        (502, "<html>", "Something went wrong on our side"),
        (504, "", "Something went wrong on our side"),
        (429, GATEWAY, "tried too often"),
    ],
)
def test_a_search_that_fails_is_told_in_words_and_can_be_tried_again(
    ada: Visitor, status: int, body: str, said: str
) -> None:
    ada.go("Search")
    ada.page.route("**/search", lambda route: route.fulfill(status=status, body=body), times=1)
    ada.page.get_by_role("searchbox").fill("roses")
    ada.page.keyboard.press("Enter")
    state = ada.page.locator("#search-state")
    expect(state).to_contain_text(said)
    state.get_by_role("button", name="Try again").click()
    expect(state).to_contain_text("Nothing like that is in your documents")


def test_offline_is_said_and_passes(ada: Visitor) -> None:
    ada.go("Search")
    ada.context.set_offline(True)
    expect(ada.page.locator("#offline")).to_be_visible()
    ada.page.get_by_role("searchbox").fill("roses")
    ada.page.keyboard.press("Enter")
    expect(ada.page.locator("#search-state")).to_contain_text("could not be reached")
    ada.context.set_offline(False)
    expect(ada.page.locator("#offline")).to_be_hidden()
    ada.page.get_by_role("button", name="Try again").click()
    expect(ada.page.locator("#search-state")).to_contain_text("Nothing like that")


def test_a_question_whose_answer_got_lost_is_asked_again_as_the_same_one(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    keys: list[str] = []

    def lose(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        route.fetch()  # it is answered, and stored; the answer does not arrive
        route.abort()

    ada.page.route("**/messages", lose, times=1)
    ada.page.get_by_label("Your question").fill(papers.SHIPS)
    ada.page.keyboard.press("Enter")
    ada.page.get_by_role("alert").filter(has_text="could not be reached").wait_for()
    with ada.page.expect_request("**/messages") as again:
        ada.page.get_by_role("button", name="Try again").click()
    expect(ada.page.locator(".answer")).to_contain_text("4,200")
    assert [again.value.headers["idempotency-key"]] == keys
    ada.page.reload()
    expect(ada.page.get_by_role("list", name="Messages").locator("> li")).to_have_count(2)


def test_an_upload_that_breaks_off_says_so_and_is_sent_again(ada: Visitor) -> None:
    ada.go("Documents")
    ada.page.route("**/documents", lambda route: route.abort(), times=1)
    ada.choose(papers.GARDEN)
    uploads = ada.page.get_by_role("list", name="Uploads")
    expect(uploads).to_contain_text("could not be reached")
    uploads.get_by_role("button", name="Try again to upload garden.pdf").click()
    expect(ada.document("garden.pdf")).to_have_count(1)


def test_a_page_that_cannot_be_drawn_shows_its_text_and_the_quote(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    ada.ask(papers.SHIPS)
    ada.page.route("**/view?*", lambda route: route.fulfill(status=422, body=INTERNAL))
    ada.page.get_by_role("button", name="Source 1").first.click()
    viewer = ada.page.get_by_role("dialog", name="harbour report.pdf")
    expect(viewer).to_contain_text("could not be drawn")
    expect(viewer.locator("#viewer-quote")).to_contain_text(papers.SHIPS_QUOTE)
    expect(viewer.locator("mark")).to_contain_text(papers.SHIPS_QUOTE)


def test_a_quote_that_cannot_be_marked_leaves_the_page_readable(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    ada.ask(papers.SHIPS)
    elsewhere = re.compile(r"/view\?start=.*")
    ada.page.route(elsewhere, lambda route: route.continue_(url=elsewhere.sub("/view", route.request.url)))
    ada.page.get_by_role("button", name="Source 1").first.click()
    viewer = ada.page.get_by_role("dialog", name="harbour report.pdf")
    expect(viewer.get_by_role("img")).to_be_visible()
    expect(viewer).to_contain_text("could not be marked")


def test_an_address_of_nothing_leads_somewhere(ada: Visitor) -> None:
    ada.page.goto(f"{ada.site.url}/#/nowhere/at-all")
    expect(ada.page.get_by_role("heading", name="Ask your documents")).to_be_visible()
    ada.page.goto(f"{ada.site.url}/#/ask/01jzzzzzzzzzzzzzzzzzzzzzzz")
    expect(ada.page.get_by_role("list", name="Messages")).to_contain_text("no longer there")


def test_a_hidden_tab_asks_for_nothing(ada: Visitor) -> None:
    ada.go("Documents")
    ada.page.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => window.away ?? false, configurable: true })"
    )
    ada.page.evaluate("window.away = true")
    working = {"status": "processing", "progress": 5, "pages": 0, "error": None, "created_at": "2026-11-28T00:00:00Z"}
    item = {"id": "01jzzzzzzzzzzzzzzzzzzzzzzz", "filename": "slow.pdf", **working}
    ada.page.route("**/documents?*", lambda route: route.fulfill(json={"items": [item]}))
    ada.page.route(f"**/documents/{item['id']}", lambda route: route.fulfill(json=item))
    ada.go("Search")
    ada.go("Documents")
    expect(ada.document("slow.pdf")).to_contain_text("Reading, 5 %")
    ada.page.wait_for_timeout(2_500)
    assert not ada.reached("/01jzzzzzzzzzzzzzzzzzzzzzzz")
    ada.page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    ada.page.wait_for_timeout(6_000)
    assert 2 <= len(ada.reached("/01jzzzzzzzzzzzzzzzzzzzzzzz")) <= 4, "less and less often while nothing changes"


def test_a_figure_that_no_quote_shows_is_set_apart(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")

    def otherwise(route: Route) -> None:
        answer = route.fetch()
        said = "It handled 5,000 ships. [1] (not in the quote: 5,000)"
        route.fulfill(response=answer, json={**answer.json(), "content": said})

    ada.page.route("**/messages", otherwise)
    answer = ada.ask(papers.SHIPS)
    expect(answer.locator(".unquoted")).to_have_text("(not in the quote: 5,000)")
    expect(answer.get_by_role("button", name="Source 1").first).to_be_visible()
