"""Somebody who uses the page in a browser: what they do, and what must not happen to them meanwhile."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import BrowserContext, Locator, Page

    from tests.browser.served import Site

PASSWORD = "correct horse battery staple"
READ_MS = 60_000
"""Until an uploaded document is read, on a slow machine."""
DROP = """(files) => {
    const transfer = new DataTransfer();
    for (const { name, type, bytes } of files) {
        transfer.items.add(new File([Uint8Array.from(bytes)], name, { type }));
    }
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
}"""


class Visitor:
    """A browser profile with a tab."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.context = context
        self.site = site
        self.email = f"{uuid.uuid4().hex[:12]}@example.org"
        self.requested: list[str] = []
        self.wrong: list[str] = []
        """Dialogs, errors of scripts, violations of the content security policy."""
        context.on("request", lambda request: self.requested.append(request.url))
        context.on("page", self._watch)
        self.page = context.new_page()

    def _watch(self, page: Page) -> None:
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", self._dialog)
        page.on("console", self._console)

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _console(self, message: Any) -> None:
        # An answer with a status of 400 and above is said there, too; what the page makes of it is what tests look at.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.wrong.append(f"console: {message.text}")

    def check(self) -> None:
        """Nothing was loaded from elsewhere, no script failed, no dialog came, no policy was violated."""
        assert {_origin(url) for url in self.requested if not url.startswith("data:")} <= self.site.origins
        assert not self.wrong

    # What people do.

    def enter(self, page: Page | None = None) -> None:
        """Make an account, which signs in."""
        tab: Any = page or self.page
        tab.goto(self.site.url)
        tab.get_by_role("button", name="Create an account").click()
        tab.get_by_label("Email").fill(self.email)
        tab.get_by_label("Password", exact=True).fill(PASSWORD)
        tab.get_by_role("button", name="Create account").click()
        tab.get_by_role("heading", name="Ask your documents").wait_for()
        tab.get_by_role("button", name="Sign out").wait_for()

    def sign_in(self, page: Page | None = None) -> None:
        """Sign in, at the form that is shown."""
        tab: Any = page or self.page
        tab.get_by_label("Email").fill(self.email)
        tab.get_by_label("Password", exact=True).fill(PASSWORD)
        tab.get_by_role("button", name="Sign in").click()
        tab.get_by_role("button", name="Sign out").wait_for()

    def go(self, view: str) -> None:
        """Open one of the views: Ask, Search, Documents."""
        self.page.get_by_role("navigation", name="Main").get_by_role("link", name=view).click()
        self.page.get_by_role("link", name=view, exact=True).and_(self.page.locator("[aria-current=page]")).wait_for()

    def drop(self, *files: tuple[str, bytes], kind: str = "application/pdf") -> None:
        """Drag files onto the page."""
        self.page.evaluate(DROP, [{"name": name, "type": kind, "bytes": list(data)} for name, data in files])

    def choose(self, *files: tuple[str, bytes]) -> None:
        """Choose files in the dialog of the browser."""
        chosen: Any = [{"name": name, "mimeType": "application/pdf", "buffer": data} for name, data in files]
        self.page.locator("#files").set_input_files(chosen)

    def document(self, name: str) -> Locator:
        """A document's row."""
        return self.page.get_by_role("list", name="Your documents").get_by_role("listitem").filter(has_text=name)

    def read(self, *files: tuple[str, bytes]) -> None:
        """Upload documents, and wait until they are ready."""
        self.go("Documents")
        self.choose(*files)
        for name, _ in files:
            self.document(name).get_by_text("Ready", exact=True).wait_for(timeout=READ_MS)

    def ask(self, question: str) -> Locator:
        """Ask, and wait for the answer: one more than there were."""
        answers = self.page.get_by_role("list", name="Messages").locator(".message.assistant:has(.answer)")
        answer = answers.nth(answers.count())
        self.page.get_by_label("Your question").fill(question)
        self.page.keyboard.press("Enter")
        answer.wait_for(timeout=READ_MS)
        return answer

    def toast(self, text: str) -> None:
        """What is said for a while."""
        self.page.locator(".toast", has_text=text).first.wait_for()

    def reached(self, path: str) -> Sequence[str]:
        """The requests whose path ends so."""
        return [url for url in self.requested if urlsplit(url).path.endswith(path)]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
