"""Signing in, staying in, and what two tabs do with one session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.browser import papers
from tests.browser.visitor import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser

ACCESS_SECONDS = 901
REFRESH_SECONDS = 31 * 24 * 3_600


def test_wrong_entries_are_told_at_the_form(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(visitor.site.url)
    alert = page.locator("#sign-in-alert")
    page.get_by_role("button", name="Sign in").click()
    expect(alert).to_contain_text("whole email address")
    expect(page.get_by_label("Email")).to_be_focused()
    page.get_by_label("Email").fill(visitor.email)
    page.get_by_label("Password", exact=True).fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(alert).to_contain_text("do not match")
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Create account").click()
    expect(alert).to_contain_text("10 to 128 characters; this one has 5")
    page.get_by_label("Password", exact=True).fill(visitor.email)
    page.get_by_role("button", name="Create account").click()
    expect(alert).to_contain_text("must not be your address")


def test_a_taken_address_learns_nothing_and_is_helped(ada: Visitor, visitors: Callable[..., Visitor]) -> None:
    other = visitors()
    page = other.page
    page.goto(other.site.url)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Email").fill(ada.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD + " of another")
    page.get_by_role("button", name="Create account").click()
    expect(page.locator("#sign-in-alert")).to_contain_text("If you have an account already")


def test_who_signed_in_stays_in_until_they_sign_out(ada: Visitor) -> None:
    ada.page.reload()
    expect(ada.page.locator("#who")).to_have_text(ada.email)
    ada.page.get_by_role("button", name="Sign out").click()
    expect(ada.page.get_by_role("button", name="Sign in")).to_be_visible()
    ada.page.reload()
    expect(ada.page.get_by_role("button", name="Sign in")).to_be_visible()
    ada.sign_in()


def test_an_access_token_that_ended_is_renewed_unseen(ada: Visitor) -> None:
    ada.site.world.clock.pass_(ACCESS_SECONDS)
    ada.go("Documents")
    expect(ada.page.locator("#documents-state")).to_contain_text("There is nothing here yet")
    assert len(ada.reached("/auth/refresh")) == 1


def test_an_upload_renews_the_access_token_too(ada: Visitor) -> None:
    ada.go("Documents")
    ada.site.world.clock.pass_(ACCESS_SECONDS)
    ada.choose(papers.GARDEN)
    expect(ada.document("garden.pdf")).to_have_count(1)


def test_a_session_that_ended_leads_to_the_form_and_back(ada: Visitor) -> None:
    ada.go("Search")
    ada.site.world.clock.pass_(REFRESH_SECONDS)
    ada.page.get_by_role("searchbox").fill("anything")
    ada.page.keyboard.press("Enter")
    expect(ada.page.locator("#sign-in-alert")).to_contain_text("Your session has ended")
    ada.sign_in()
    expect(ada.page.get_by_role("heading", name="Search")).to_be_visible()


def test_two_tabs_renew_one_after_the_other_and_both_go_on(ada: Visitor) -> None:
    tabs = [ada.page, ada.context.new_page()]
    tabs[1].goto(f"{ada.site.url}/#/documents")
    expect(tabs[1].locator("#documents-state")).to_contain_text("There is nothing here yet")
    before = len(ada.reached("/auth/refresh"))
    ada.site.world.clock.pass_(ACCESS_SECONDS)
    for tab in tabs:  # both at once: neither waits for the other's answer
        tab.evaluate("location.hash = '#/search'")
        tab.evaluate("void setTimeout(() => { location.hash = '#/documents' }, 50)")
    for tab in tabs:
        expect(tab.locator("#documents-state")).to_contain_text("There is nothing here yet")
        expect(tab.get_by_role("button", name="Sign out")).to_be_visible()
    assert len(ada.reached("/auth/refresh")) - before == 1
    ada.site.world.clock.pass_(ACCESS_SECONDS)
    tabs[1].reload()
    expect(tabs[1].locator("#documents-state")).to_contain_text("There is nothing here yet")


def test_a_tab_that_does_not_see_the_others_session_yet_takes_it_all_the_same(ada: Visitor) -> None:
    """Browsers hand localStorage on when they get to it: not before the lock, in every case."""
    late = ada.context.new_page()
    late.goto(f"{ada.site.url}/#/search")
    expect(late.locator("#who")).to_have_text(ada.email)
    late.evaluate("() => { const old = { ...localStorage }; Storage.prototype.getItem = (key) => old[key] ?? null }")
    ada.site.world.clock.pass_(ACCESS_SECONDS)
    before = len(ada.reached("/auth/refresh"))
    for tab in (ada.page, late):
        tab.evaluate("location.hash = '#/documents'")
        expect(tab.locator("#documents-state")).to_contain_text("There is nothing here yet")
    assert len(ada.reached("/auth/refresh")) - before == 1


def test_signing_out_in_one_tab_signs_out_in_the_other(ada: Visitor) -> None:
    other = ada.context.new_page()
    other.goto(ada.site.url)
    expect(other.locator("#who")).to_have_text(ada.email)
    ada.page.get_by_role("button", name="Sign out").click()
    expect(other.locator("#sign-in-alert")).to_contain_text("You signed out in another tab")
    ada.sign_in(other)
    expect(ada.page.locator("#who")).to_have_text(ada.email)


def test_the_next_user_of_a_browser_sees_nothing_of_the_one_before(ada: Visitor) -> None:
    ada.read(papers.GARDEN)
    ada.page.get_by_role("button", name="Sign out").click()
    ada.email = f"next-{ada.email}"
    ada.enter()
    ada.go("Documents")
    expect(ada.page.locator("#documents-state")).to_contain_text("There is nothing here yet")
    expect(ada.page.locator("body")).not_to_contain_text("garden.pdf")
