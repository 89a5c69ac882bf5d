"""What people do with the page, from an account to a marked quote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import papers
from tests.browser.visitor import READ_MS

if TYPE_CHECKING:
    from playwright.sync_api import Route

    from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


def test_from_an_account_to_the_marked_quote(ada: Visitor) -> None:
    page = ada.page
    ada.go("Documents")
    ada.drop(papers.HARBOUR, papers.GARDEN)
    for name in ("harbour report.pdf", "garden.pdf"):
        expect(ada.document(name)).to_contain_text(re.compile("Waiting|Reading|Ready"))
        expect(ada.document(name)).to_contain_text("Ready", timeout=READ_MS)
    expect(ada.document("harbour report.pdf")).to_contain_text("2 pages")

    ada.go("Search")
    page.get_by_role("searchbox").fill("crew of a crane")
    page.keyboard.press("Enter")
    found = page.get_by_role("list", name="Results").get_by_role("button").first
    expect(found).to_contain_text("harbour report.pdf")
    expect(found).to_contain_text("page 2")
    found.click()
    viewer = page.get_by_role("dialog", name="harbour report.pdf")
    expect(viewer).to_contain_text("Page 2 of 2")
    expect(viewer.locator(".mark").first).to_be_visible()
    viewer.get_by_role("button", name="Close the page").click()
    expect(found).to_be_focused()

    ada.go("Ask")
    answer = ada.ask(papers.SHIPS)
    expect(answer).to_contain_text("4,200")
    answer.get_by_role("list", name="Sources").get_by_role("button").first.click()
    expect(viewer).to_contain_text("Page 1 of 2")
    expect(viewer.locator("#viewer-quote")).to_contain_text(papers.SHIPS_QUOTE)
    expect(viewer.locator(".mark").first).to_be_visible()
    assert is_ink_under_marks(ada)


def is_ink_under_marks(visitor: Visitor) -> bool:
    """Whether each mark lies over something dark of the picture of the page."""
    script = """() => {
        const canvas = document.getElementById("sheet-image");
        const sheet = canvas.getBoundingClientRect();
        return [...document.querySelectorAll(".mark")].every((mark) => {
            const box = mark.getBoundingClientRect();
            const scale = canvas.width / sheet.width;
            const [x, y] = [(box.left - sheet.left) * scale, (box.top - sheet.top) * scale];
            const pixels = canvas.getContext("2d").getImageData(x, y, box.width * scale, box.height * scale).data;
            return pixels.some((value, index) => index % 4 === 0 && value < 100);
        });
    }"""
    return bool(visitor.page.evaluate(script))


def test_what_is_being_read_is_shown_until_the_answer_is_there_and_stays_after(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    page = ada.page
    page.route("**/messages", lambda route: (page.wait_for_timeout(1500), route.continue_()))
    page.get_by_label("Your question").fill(papers.SHIPS)
    page.keyboard.press("Enter")
    expect(page.locator(".reading")).to_contain_text("Reading: harbour report.pdf, p. 1")
    expect(page.locator(".answer")).to_contain_text("4,200", timeout=READ_MS)
    expect(page.locator(".reading")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("list", name="Messages").get_by_role("listitem").first).to_contain_text(papers.SHIPS)
    page.get_by_role("button", name="Source 1").first.click()
    expect(page.locator(".mark").first).to_be_visible()


def test_a_question_that_no_document_answers_says_so_without_sources(ada: Visitor) -> None:
    ada.read(papers.GARDEN)
    ada.go("Ask")
    answer = ada.ask(papers.UNKNOWN)
    expect(answer.locator(".answer")).not_to_be_empty()
    expect(answer.get_by_role("list", name="Sources")).to_have_count(0)


def test_a_large_file_goes_to_the_bucket_with_its_progress(ada: Visitor) -> None:
    ada.go("Documents")
    session = ada.context.new_cdp_session(ada.page)
    session.send("Network.enable")
    throttled = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 4 * 1024 * 1024}
    session.send("Network.emulateNetworkConditions", throttled)
    ada.choose(papers.large("large.pdf", 6))
    expect(ada.page.get_by_role("list", name="Uploads")).to_contain_text(re.compile(r"Uploading, [1-9]\d? %"))
    expect(ada.document("large.pdf")).to_contain_text("Ready", timeout=READ_MS)
    assert ada.reached("/documents/uploads")
    expect(ada.page.get_by_role("list", name="Uploads")).to_be_hidden()


def test_a_wrong_file_is_told_before_anything_is_sent(ada: Visitor) -> None:
    ada.go("Documents")
    before = len(ada.requested)
    ada.drop(papers.NOT_A_PDF, ("empty.pdf", b""))
    uploads = ada.page.get_by_role("list", name="Uploads")
    expect(uploads).to_contain_text("This is not a PDF")
    expect(uploads).to_contain_text("The file is empty")
    assert not [url for url in ada.requested[before:] if "/documents" in url]
    uploads.get_by_role("button", name="Dismiss the upload of empty.pdf").click()
    uploads.get_by_role("button", name="Dismiss the upload of notes.pdf").click()
    expect(uploads).to_be_hidden()


def test_an_upload_can_be_cancelled(ada: Visitor) -> None:
    ada.go("Documents")
    ada.page.route("**/documents/uploads", lambda _route: None)  # it is never answered
    ada.choose(papers.large("large.pdf", 5))
    ada.page.get_by_role("button", name="Cancel the upload of large.pdf").click()
    expect(ada.page.get_by_role("list", name="Uploads")).to_be_hidden()
    expect(ada.document("large.pdf")).to_have_count(0)


def test_a_large_upload_that_is_cancelled_leaves_no_document_that_waits(ada: Visitor) -> None:
    ada.go("Documents")
    session = ada.context.new_cdp_session(ada.page)
    session.send("Network.enable")
    throttled = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 256 * 1024}
    session.send("Network.emulateNetworkConditions", throttled)
    ada.choose(papers.large("large.pdf", 5))
    expect(ada.page.get_by_role("list", name="Uploads")).to_contain_text(re.compile(r"Uploading, [1-9]\d? %"))
    with ada.page.expect_response(lambda answer: answer.request.method == "DELETE") as withdrawn:
        ada.page.get_by_role("button", name="Cancel the upload of large.pdf").click()
    assert withdrawn.value.status == 204
    ada.page.reload()
    expect(ada.page.locator("#documents-state")).to_contain_text("There is nothing here yet")


def test_what_failed_says_why_and_can_be_read_again(ada: Visitor) -> None:
    ada.go("Documents")
    ada.choose(papers.DAMAGED)
    row = ada.document("damaged.pdf")
    expect(row).to_contain_text("Failed", timeout=READ_MS)
    expect(row.locator(".why")).not_to_be_empty()
    row.get_by_role("button", name="Read again: damaged.pdf").click()
    expect(row).to_contain_text(re.compile("Waiting|Reading"))
    expect(row).to_contain_text("Failed", timeout=READ_MS)
    assert len(ada.reached("/retry")) == 1


def test_a_document_goes_only_after_its_owner_agreed(ada: Visitor) -> None:
    ada.read(papers.GARDEN)
    confirm = ada.page.get_by_role("alertdialog", name="Delete this document?")
    ada.document("garden.pdf").get_by_role("button", name="Delete: garden.pdf").click()
    expect(confirm).to_contain_text("garden.pdf")
    expect(confirm.get_by_role("button", name="Keep")).to_be_focused()
    ada.page.keyboard.press("Escape")
    expect(ada.document("garden.pdf")).to_have_count(1)
    ada.document("garden.pdf").get_by_role("button", name="Delete: garden.pdf").click()
    confirm.get_by_role("button", name="Delete").click()
    expect(ada.document("garden.pdf")).to_have_count(0)
    ada.page.reload()
    expect(ada.page.locator("#documents-state")).to_contain_text("There is nothing here yet")


def test_an_old_answer_whose_document_is_gone_still_shows_its_quote(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    ada.ask(papers.SHIPS)
    ada.go("Documents")
    ada.document("harbour report.pdf").get_by_role("button", name="Delete: harbour report.pdf").click()
    ada.page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(ada.document("harbour report.pdf")).to_have_count(0)
    ada.page.go_back()
    ada.page.get_by_role("button", name="Source 1").first.click()
    viewer = ada.page.get_by_role("dialog", name="harbour report.pdf")
    expect(viewer.locator("#viewer-quote")).to_contain_text(papers.SHIPS_QUOTE)
    expect(viewer).to_contain_text("no longer there")


def test_chats_are_kept_apart_and_can_be_deleted(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    ada.ask(papers.SHIPS)
    ada.page.get_by_role("link", name="New chat").click()
    expect(ada.page.get_by_role("list", name="Messages").get_by_role("listitem")).to_have_count(0)
    ada.ask("How many employees does the harbour have?")
    chats = ada.page.get_by_role("complementary", name="Chats")
    expect(chats.get_by_role("listitem")).to_have_count(2)
    chats.get_by_role("link", name=papers.SHIPS).click()
    expect(ada.page.get_by_role("list", name="Messages")).to_contain_text(papers.SHIPS)
    chats.get_by_role("button", name=f"Delete the chat: {papers.SHIPS}").click()
    ada.page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    expect(chats.get_by_role("listitem")).to_have_count(1)
    expect(ada.page.get_by_role("list", name="Messages").get_by_role("listitem")).to_have_count(0)


def test_a_chat_that_is_begun_does_not_take_the_place_of_one_opened_meanwhile(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.go("Ask")
    ada.ask(papers.SHIPS)
    page, messages = ada.page, ada.page.get_by_role("list", name="Messages")
    page.get_by_role("link", name="New chat").click()
    expect(messages.get_by_role("listitem")).to_have_count(0)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/chat/sessions", hold)
    page.get_by_label("Your question").fill("How many employees does the harbour have?")
    page.keyboard.press("Enter")
    expect(messages).to_contain_text("employees")
    page.get_by_role("complementary", name="Chats").get_by_role("link", name=papers.SHIPS).click()
    expect(messages).to_contain_text("4,200")
    with page.expect_response("**/messages") as answered:
        held[0].continue_()
    assert answered.value.status == 201
    expect(page.get_by_role("complementary", name="Chats").get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_role("heading", level=1)).to_have_text(papers.SHIPS)
    expect(messages).not_to_contain_text("employees")
    page.unroute("**/chat/sessions")
    ada.ask(papers.UNKNOWN)
    page.reload()
    expect(messages).to_contain_text(papers.UNKNOWN)
    expect(messages).to_contain_text("4,200")


def test_a_search_in_chosen_documents_finds_nothing_in_others(ada: Visitor) -> None:
    ada.read(papers.HARBOUR, papers.GARDEN)
    ada.go("Search")
    ada.page.get_by_text("In all documents").and_(ada.page.locator("#search summary")).click()
    ada.page.get_by_role("checkbox", name="garden.pdf").check()
    expect(ada.page.locator("#search summary")).to_have_text("In 1 chosen document")
    ada.page.get_by_role("searchbox").fill("harbour ships roses")
    ada.page.keyboard.press("Enter")
    results = ada.page.get_by_role("list", name="Results")
    expect(results.get_by_role("button").first).to_contain_text("garden.pdf")
    expect(results).not_to_contain_text("harbour report.pdf")


def test_a_page_is_turned_to_the_next_and_back(ada: Visitor) -> None:
    ada.read(papers.HARBOUR)
    ada.page.get_by_role("button", name="harbour report.pdf", exact=True).click()
    viewer = ada.page.get_by_role("dialog", name="harbour report.pdf")
    expect(viewer).to_contain_text("Page 1 of 2")
    expect(viewer.get_by_role("img")).to_be_visible()
    expect(viewer.get_by_role("button", name="Page before")).to_be_disabled()
    viewer.get_by_role("button", name="Next page").click()
    expect(viewer).to_contain_text("Page 2 of 2")
    viewer.get_by_text("Text of this page").click()
    expect(viewer.locator("#viewer-text")).to_contain_text("310 employees")
    expect(viewer.get_by_role("button", name="Next page")).to_be_disabled()
