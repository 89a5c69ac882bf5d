"""The browser: Debian's Chromium, or Chrome, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from playwright.sync_api import Browser


class NoBrowserError(Exception):
    """There is none; the message says how to get it."""


@contextmanager
def chromium() -> Generator[Browser]:
    """A browser that runs.

    Raises:
        NoBrowserError: the browser or its driver is not installed.
    """
    try:
        from playwright.sync_api import sync_playwright  # not in every environment
    except ModuleNotFoundError:
        raise NoBrowserError("playwright is not installed; get it: python -m scripts.bootstrap sync browser") from None
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise NoBrowserError("there is no chromium on the PATH; on Debian: apt-get install chromium")
    # As root, which continuous integration is, Chromium runs without its sandbox or not at all.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()
