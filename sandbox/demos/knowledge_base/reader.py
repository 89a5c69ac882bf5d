"""Somebody who uses the API as the page does: signs in, uploads in both ways, waits, searches, asks."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Final

import httpx

from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_SECONDS: Final = 40.0
"""The API itself gives up after 30."""


class Reader:
    """One account of an API, signed in."""

    def __init__(self, url: str, email: str = "", password: str = "") -> None:
        """Register and sign in.

        Args:
            url: of the API, without a slash at its end.
            email: of a new account; one is made up when none is given.
            password: of at least 10 characters; likewise.

        Raises:
            SandboxError: the API did not take them; says what it answered.
        """
        self.url = url
        self.email = email or f"{secrets.token_hex(6)}@example.com"
        self.password = password or secrets.token_urlsafe(15)
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._credentials = {"email": self.email, "password": self.password}
        self.ask("POST", "/auth/register", json=self._credentials)
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in, also again: tokens end with the key that signed them.

        Raises:
            SandboxError: the API did not take the password.
        """
        tokens = self.ask("POST", "/auth/login", json=self._credentials)
        self._http.headers["authorization"] = f"Bearer {tokens['access_token']}"
        self._refresh_token = tokens["refresh_token"]

    def sign_out(self) -> None:
        """End the session that was begun last."""
        self.ask("POST", "/auth/logout", json={"refresh_token": self._refresh_token})

    @property
    def headers(self) -> dict[str, str]:
        """What a request in the account's name carries."""
        return {"authorization": self._http.headers["authorization"]}

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Send a request; return the answer's JSON, None where it has none.

        Raises:
            SandboxError: the answer is an error, or there is none.
        """
        try:
            answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise SandboxError(f"{method} {path} was not answered: {error}") from None
        if answer.is_error:
            raise SandboxError(f"{method} {path} was answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def upload(self, filename: str, content: bytes) -> str:
        """Send a file in a request; return the document's id."""
        files = {"file": (filename, content, "application/pdf")}
        return self.ask("POST", "/documents", files=files)["id"]

    def upload_to_bucket(self, filename: str, content: bytes) -> str:
        """Send a file to the bucket, with the form that the API hands out; return the document's id.

        Raises:
            SandboxError: the bucket refused it.
        """
        form = self.ask("POST", "/documents/uploads", json={"filename": filename, "bytes": len(content)})
        files = {"file": (filename, content, "application/pdf")}
        answer = httpx.post(form["url"], data=form["fields"], files=files, timeout=TIMEOUT_SECONDS, trust_env=False)
        if answer.is_error:
            raise SandboxError(f"the bucket answered the upload {answer.status_code}: {answer.text[:500]}")
        return form["document_id"]

    def documents(self) -> list[dict[str, Any]]:
        """Every document of the account, with status and progress."""
        return self._all("/documents")

    def chats(self) -> list[str]:
        """The ids of all chats."""
        return [each["id"] for each in self._all("/chat/sessions")]

    def delete(self, path: str) -> None:
        """Delete a document or a chat."""
        self.ask("DELETE", path)

    def is_there(self, url: str) -> bool:
        """Whether an address that the API handed out serves an image."""
        answer = httpx.get(url, timeout=TIMEOUT_SECONDS, trust_env=False)
        return answer.is_success and answer.headers["content-type"].startswith("image/")

    def _all(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.ask("GET", path, params={"limit": 50, **({"cursor": cursor} if cursor else {})})
            found += page["items"]
            cursor = page.get("next")
        return found

    def finished(
        self, document: str, patience_seconds: float, say: Callable[[str], None] = lambda _: None
    ) -> Mapping[str, Any]:
        """Wait until a document is ready or failed; return it.

        Args:
            document: its id.
            patience_seconds: how long to wait.
            say: hears of its progress.

        Raises:
            SandboxError: it is neither in that time.
        """
        deadline = time.monotonic() + patience_seconds
        while (found := self.ask("GET", f"/documents/{document}"))["status"] not in {"ready", "failed"}:
            if time.monotonic() > deadline:
                raise SandboxError(f"{found['filename']} is {found['status']} after {patience_seconds:.0f} s")
            say(f"{found['filename']}: {found['status']}, {found['progress']} %")
            time.sleep(0.3)
        return found

    def search(self, query: str, limit: int = 3) -> list[dict[str, Any]]:
        """Passages that fit, the best first."""
        return self.ask("POST", "/search", json={"query": query, "limit": limit})["results"]

    def chat(self) -> str:
        """Begin a chat; return its id."""
        return self.ask("POST", "/chat/sessions", json={})["id"]

    def question(self, chat: str, content: str) -> dict[str, Any]:
        """Ask; return the answer with its citations."""
        return self.ask("POST", f"/chat/sessions/{chat}/messages", json={"content": content})

    def page(self, document: str, number: int) -> dict[str, Any]:
        """A page's text, tables and images."""
        return self.ask("GET", f"/documents/{document}/pages/{number}")

    def close(self) -> None:
        """Close the connection."""
        self._http.close()
