"""Somebody who uses the knowledge base's API; every answer is noted, with its route and how long it took."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.demos.knowledge_base import samples

PATIENCE_SECONDS = 300.0
TIMEOUT_SECONDS = 35.0
"""The API itself gives up after 30."""
TRIES = 8
SERVER_ERROR, THROTTLED = 500, 429


@dataclass(slots=True)
class Seen:
    """What was answered: by route, in milliseconds."""

    times: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    statuses: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, route: str, status: int, milliseconds: float) -> None:
        """Note an answer; status 0 is none."""
        with self.lock:
            self.times.setdefault(route, []).append(milliseconds)
            self.statuses.setdefault(route, Counter())[status] += 1

    @property
    def requests(self) -> int:
        """How many."""
        return sum(sum(found.values()) for found in self.statuses.values())

    @property
    def errors(self) -> dict[str, int]:
        """Requests without an answer, and 5xx: by route and status."""
        return {
            f"{route} {status or 'no answer'}": count
            for route, found in self.statuses.items()
            for status, count in found.items()
            if status == 0 or status >= SERVER_ERROR
        }


class User:
    """Somebody who uses the API; everything that is answered is noted."""

    def __init__(self, url: str, seen: Seen) -> None:
        """Nothing is asked yet."""
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self.seen = seen
        self._credentials = {"email": f"{secrets.token_hex(8)}@example.com", "password": secrets.token_urlsafe(15)}
        self.document = ""
        self.chat = ""
        self.refresh_token = ""

    def ask(self, route: str, path: str = "", **more: Any) -> Any:
        """Ask for something, again where it is throttled.

        Args:
            route: as the contract writes it, under which the time is noted.
            path: where it has ids.
            more: as httpx takes it.
        """
        method, _, pattern = route.partition(" ")
        for _ in range(TRIES - 1):
            answer = self._once(route, method, path or pattern, more)
            if answer.status_code != THROTTLED:
                break
            time.sleep(float(answer.headers.get("retry-after", 1)))
        else:
            answer = self._once(route, method, path or pattern, more)
        if answer.is_error:
            answer.raise_for_status()
        told = answer.content and answer.headers.get("content-type", "").startswith("application/json")
        return answer.json() if told else None

    def _once(self, route: str, method: str, path: str, more: dict[str, Any]) -> httpx.Response:
        begun = time.monotonic()
        status = 0
        try:
            answer = self._http.request(method, path, follow_redirects=False, **more)
            status = answer.status_code
        finally:
            self.seen.add(route, status, (time.monotonic() - begun) * 1000)
        return answer

    def register(self) -> None:
        """Make the account."""
        self.ask("POST /auth/register", json=self._credentials)

    def sign_in(self) -> None:
        """Sign in."""
        tokens = self.ask("POST /auth/login", json=self._credentials)
        self.take(tokens)

    def take(self, tokens: dict[str, Any]) -> None:
        """Go on with these tokens."""
        self.refresh_token = tokens["refresh_token"]
        self._http.headers["authorization"] = f"Bearer {tokens['access_token']}"

    def refresh(self) -> None:
        """Get the next pair of tokens."""
        self.take(self.ask("POST /auth/refresh", json={"refresh_token": self.refresh_token}))

    def upload(self, data: bytes | None = None) -> None:
        """Send a PDF: the demonstration's, unless another is given."""
        files = {"file": (samples.BEEKEEPING, data or samples.beekeeping(), "application/pdf")}
        self.document = self.ask("POST /documents", files=files)["id"]

    def announce(self) -> None:
        """Get a form for a larger one, and do not use it."""
        self.ask("POST /documents/uploads", json={"filename": "a.pdf", "bytes": 10_000_000})

    def get(self) -> dict[str, Any]:
        """The document."""
        return self.ask("GET /documents/{id}", f"/documents/{self.document}")

    def wait(self, every_seconds: float = 1.0) -> float:
        """Wait until the document is ready, asking from time to time; the seconds.

        Raises:
            SystemExit: it is not.
        """
        begun = time.monotonic()
        while (found := self.get())["status"] != "ready":
            if found["status"] == "failed" or time.monotonic() > begun + PATIENCE_SECONDS:
                raise SystemExit(f"the document is {found['status']}: {found['error']}")
            time.sleep(every_seconds)
        return time.monotonic() - begun

    def list(self) -> None:
        """The documents."""
        self.ask("GET /documents")

    def read(self) -> None:
        """A page."""
        self.ask("GET /documents/{id}/pages/{n}", f"/documents/{self.document}/pages/1")

    def view(self) -> None:
        """A page as it looks, with a quote marked."""
        route = "GET /documents/{id}/pages/{n}/view"
        self.ask(route, f"/documents/{self.document}/pages/1/view", params={"start": 0, "end": 14})

    def link(self) -> None:
        """Where the file is."""
        self.ask("GET /documents/{id}/file", f"/documents/{self.document}/file")

    def search(self) -> None:
        """Search."""
        self.ask("POST /search", json={"query": samples.SEARCHED.text})

    def begin(self) -> None:
        """Begin a chat."""
        self.chat = self.ask("POST /chat/sessions", json={})["id"]

    def chats(self) -> None:
        """The chats."""
        self.ask("GET /chat/sessions")

    def question(self) -> None:
        """Ask something."""
        content = samples.QUESTIONS[0].text
        self.ask("POST /chat/sessions/{id}/messages", f"/chat/sessions/{self.chat}/messages", json={"content": content})

    def messages(self) -> None:
        """What was said."""
        self.ask("GET /chat/sessions/{id}/messages", f"/chat/sessions/{self.chat}/messages")

    def health(self) -> None:
        """Whether it answers."""
        self.ask("GET /health")

    def show(self) -> None:
        """The page."""
        self._http.get("/").raise_for_status()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()
