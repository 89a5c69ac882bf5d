"""Webhooks: who is told, and the deliveries, signed and recorded as GitHub does it.

A delivery is one attempt of ten seconds. GitHub does not retry by itself: somebody asks for a redelivery, which carries
the same `X-GitHub-Delivery`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import queue
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import httpx

from sandbox.standins.github.shapes import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.standins.github.repository import Hook, Repository

TIMEOUT_SECONDS: Final = 10.0
ATTEMPTS: Final = 4
PAUSE_SECONDS: Final = 0.3
LARGEST_BYTES: Final = 25 * 1024 * 1024
"""Larger payloads are not delivered: https://docs.github.com/webhooks/webhook-events-and-payloads"""
KEPT: Final = 10_000


def hook_shape(repo: Repository, hook: Hook) -> dict[str, Any]:
    """A webhook as the API shows it; the secret never."""
    url = f"{repo.url}/hooks/{hook.id}"
    config = {"content_type": hook.content_type, "insecure_ssl": "0", "url": hook.url}
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": sorted(hook.events),
        "config": config | ({"secret": "********"} if hook.secret else {}),
        "updated_at": instant(hook.created),
        "created_at": instant(hook.created),
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": {"code": None, "status": "unused", "message": None},
    }


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One attempt."""

    id: int
    guid: str
    hook: Hook = field(repr=False)
    event: str
    action: str | None
    payload: Mapping[str, Any] = field(repr=False)
    repository: int
    redelivery: bool = False
    when: float = field(default_factory=time.time)
    seconds: float = 0.0
    status_code: int = 0
    """What was answered; 0 until then, and when nobody answered."""
    status: str = "pending"
    response: str = field(default="", repr=False)

    def to_json(self) -> dict[str, Any]:
        """As the list of deliveries shows it."""
        return {
            "id": self.id,
            "guid": self.guid,
            "delivered_at": instant(self.when),
            "redelivery": self.redelivery,
            "duration": round(self.seconds, 2),
            "status": self.status,
            "status_code": self.status_code,
            "event": self.event,
            "action": self.action,
            "installation_id": None,
            "repository_id": self.repository,
            "throttled_at": None,
        }


def body_and_headers(delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """The bytes of a request, and its headers with the signatures over those bytes."""
    hook, text = delivery.hook, json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":"))
    form = hook.content_type == "form"
    body = urlencode({"payload": text}).encode() if form else text.encode("utf-8", "surrogatepass")
    headers = {
        "user-agent": "GitHub-Hookshot/strata-stand-in",
        "accept": "*/*",
        "content-type": "application/x-www-form-urlencoded" if form else "application/json",
        "x-github-delivery": delivery.guid,
        "x-github-event": delivery.event,
        "x-github-hook-id": str(hook.id),
        "x-github-hook-installation-target-id": str(delivery.repository),
        "x-github-hook-installation-target-type": "repository",
    }
    if hook.secret:
        for name, kind in (("x-hub-signature", "sha1"), ("x-hub-signature-256", "sha256")):
            headers[name] = f"{kind}={hmac.new(hook.secret.encode(), body, getattr(hashlib, kind)).hexdigest()}"
    return body, headers


class Deliveries:
    """Sends in a thread of its own, one after the other."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Delivery | None] = queue.Queue()
        self._numbers = itertools.count(30_000_000_001)
        self._lock = threading.Lock()
        self._all: list[Delivery] = []
        self._thread: threading.Thread | None = None

    def send(self, hook: Hook, event: str, payload: Mapping[str, Any], repository: int) -> Delivery:
        """Begin a delivery."""
        return self._begin(hook, event, payload, repository, str(uuid.uuid4()))

    def again(self, delivery: Delivery) -> Delivery:
        """Begin a redelivery: the same body and the same delivery id."""
        return self._begin(
            delivery.hook, delivery.event, delivery.payload, delivery.repository, delivery.guid, redelivery=True
        )

    def of(self, hook: int) -> list[Delivery]:
        """All of a webhook's, newest first."""
        with self._lock:
            return [each for each in reversed(self._all) if each.hook.id == hook]

    def wait(self, delivery: Delivery, timeout_seconds: float = 2 * TIMEOUT_SECONDS) -> Delivery:
        """Wait until it was answered, or was not."""
        end = time.monotonic() + timeout_seconds
        while delivery.status == "pending" and time.monotonic() < end:
            time.sleep(0.01)
        return delivery

    def redelivered(
        self, delivery: Delivery, answered: Callable[[int], bool] = bool, attempts: int = ATTEMPTS
    ) -> Delivery:
        """Wait for a delivery, and have it sent again until it is answered: what somebody does on GitHub's pages.

        Args:
            delivery: the first attempt.
            answered: whether a status will do; any will, by default.
            attempts: how many there are at most.

        Returns:
            The attempt that was answered so; the last one where none was.
        """
        for _ in range(attempts - 1):
            if answered(self.wait(delivery).status_code):
                break
            time.sleep(PAUSE_SECONDS)
            delivery = self.again(delivery)
        return self.wait(delivery)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(TIMEOUT_SECONDS)

    def _begin(
        self,
        hook: Hook,
        event: str,
        payload: Mapping[str, Any],
        repository: int,
        guid: str,
        *,
        redelivery: bool = False,
    ) -> Delivery:
        delivery = Delivery(
            id=next(self._numbers),
            guid=guid,
            hook=hook,
            event=event,
            action=payload.get("action"),
            payload=payload,
            repository=repository,
            redelivery=redelivery,
        )
        with self._lock:
            self._all = [*self._all[-KEPT:], delivery]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="github webhooks", daemon=True)
                self._thread.start()
        self._queue.put(delivery)
        return delivery

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            while (delivery := self._queue.get()) is not None:
                self._deliver(client, delivery)

    @staticmethod
    def _deliver(client: httpx.Client, delivery: Delivery) -> None:
        body, headers = body_and_headers(delivery)
        started = time.monotonic()
        status = "Payload too large"
        if len(body) <= LARGEST_BYTES:
            try:
                answer = client.post(delivery.hook.url, content=body, headers=headers)
            except httpx.TimeoutException:
                status = "timed out"
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                status = f"failed to connect to host: {type(error).__name__}"
            else:
                delivery.status_code, delivery.response = answer.status_code, answer.text[:10_000]
                status = "OK" if answer.is_success else f"Invalid HTTP Response: {answer.status_code}"
        delivery.seconds = time.monotonic() - started
        delivery.status = status
