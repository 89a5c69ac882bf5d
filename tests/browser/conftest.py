"""A real browser, and the page in it. Whatever a journey does, nothing is loaded from elsewhere or breaks unseen."""

from __future__ import annotations

import os
from contextlib import ExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import NoBrowserError, chromium
from tests.browser.served import serve
from tests.browser.visitor import Visitor
from tests.lambdas.conftest import account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from sandbox.account import Account
    from tests.browser.served import Site

__all__ = ["account"]  # a fixture of functions' tests, too
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]
REQUIRED = "STRATA_REQUIRE_BROWSER"
"""Set where there has to be a browser: tests that did not run fail then."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or another one on the PATH."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chromium())
        except NoBrowserError as missing:
            say = pytest.fail if os.environ.get(REQUIRED) else pytest.skip
            say(f"NOT RUN: {missing}")
        yield running


@pytest.fixture(scope="session")
def site(account: Account) -> Iterator[Site]:
    """The application, served; what is uploaded is read."""
    with pytest.MonkeyPatch.context() as patch, serve(account, patch.setenv) as served:
        yield served


@pytest.fixture
def visitors(browser: Browser, site: Site) -> Iterator[Callable[..., Visitor]]:
    """Makes visitors, each with a browser profile of their own; what they must not have seen is checked at the end."""
    made: list[Visitor] = []

    def visit(**options: Any) -> Visitor:
        context: Any = browser.new_context
        made.append(Visitor(context(reduced_motion="reduce", **options), site))
        return made[-1]

    yield visit
    try:
        for visitor in made:
            visitor.check()
    finally:
        for visitor in made:
            visitor.context.close()


@pytest.fixture
def visitor(visitors: Callable[..., Visitor]) -> Visitor:
    """Somebody at the page, not signed in."""
    return visitors()


@pytest.fixture
def ada(visitor: Visitor) -> Visitor:
    """Somebody who has an account and is signed in, without documents."""
    visitor.enter()
    return visitor
