"""What a stand-in server is told to do wrong, which keys it accepts, and what it was asked.

Owns three thread-safe objects that a test or the chaos run holds while the server answers in another thread: `Faults`,
`ApiKeys` and `RequestLog`. How a fault is carried out on the wire is in `sandbox.standins.serving`.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Drop = Literal["before", "after", "body"]
LOG_LENGTH = 100_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's misfortune. With neither `status`, `body` nor `drop`, the request is only delayed."""

    status: int | None = None
    """Answer with this status instead of doing the work."""
    body: str | None = None
    """Answer with this text, with 200 unless `status` says otherwise, instead of doing the work: HTML, broken JSON."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Headers of that answer, such as `retry-after`."""
    delay_seconds: float = 0.0
    """Wait before anything else; longer than the client's timeout makes a timeout."""
    drop: Drop | None = None
    """Close the connection: `before` the work, `after` it (done, but never answered), or in the answer's `body`."""

    def __post_init__(self) -> None:
        if self.drop is not None and self.drop not in get_args(Drop):
            raise ValueError(f"drop is {self.drop!r}: it must be one of {', '.join(get_args(Drop))}")
        if self.status is not None and not 200 <= self.status <= 599:  # noqa: PLR2004  the range of HTTP answers
            raise ValueError(f"status is {self.status}: it must be an HTTP status from 200 to 599")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Fault:
        """A fault from its JSON form; an unknown key is an error."""
        try:
            return cls(**value)
        except TypeError as error:
            raise ValueError(f"not a fault: {dict(value)}; its keys are {', '.join(cls.__slots__)}") from error


class Faults:
    """A script of faults: each request takes the next entry for its path, and behaves when there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: dict[str | None, deque[Fault | None]] = {}
        self._always: dict[str | None, Fault] = {}

    def script(self, *faults: Fault | None, path: str | None = None) -> None:
        """Append entries, one a request, in order; None lets that request through.

        Args:
            faults: the entries.
            path: only requests to this path take them; None means requests to any path without a script of its own.
        """
        with self._lock:
            self._scripts.setdefault(path, deque()).extend(faults)

    def always(self, fault: Fault | None, *, path: str | None = None) -> None:
        """Apply one fault to every request that the script has no entry for; None ends that."""
        with self._lock:
            if fault is None:
                self._always.pop(path, None)
            else:
                self._always[path] = fault

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._scripts.clear()
            self._always.clear()

    def left(self) -> int:
        """How many entries of the script were not used yet."""
        with self._lock:
            return sum(map(len, self._scripts.values()))

    def next(self, path: str) -> Fault | None:
        """Take the entry for a request to that path."""
        with self._lock:
            for key in (path, None):
                if self._scripts.get(key):
                    return self._scripts[key].popleft()
            return self._always.get(path) or self._always.get(None)


class ApiKeys:
    """The keys that a server accepts."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._keys = frozenset(keys)

    def rotate(self, *keys: str) -> None:
        """Accept these keys and no others."""
        with self._lock:
            self._keys = frozenset(keys)

    def accepts(self, key: str) -> bool:
        """Whether that key is valid now."""
        with self._lock:
            known = self._keys
        return any(hmac.compare_digest(key.encode(), accepted.encode()) for accepted in known)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as the server saw it; neither headers nor bodies, so no secret and no text."""

    method: str
    path: str
    status: int | None
    """What was answered; None when the connection was dropped."""
    started: float
    """Seconds since the epoch."""
    seconds: float
    detail: dict[str, Any]
    """Counts that the server adds, such as `inputs` and `tokens`."""


class RequestLog:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LoggedRequest] = deque(maxlen=LOG_LENGTH)

    def add(self, method: str, path: str, status: int | None, started: float, detail: dict[str, Any]) -> None:
        """Record a request that has just ended."""
        entry = LoggedRequest(method, path, status, started, time.time() - started, detail)
        with self._lock:
            self._entries.append(entry)

    def entries(self, path: str | None = None) -> list[LoggedRequest]:
        """All that are kept, or those to one path."""
        with self._lock:
            return [entry for entry in self._entries if path in {None, entry.path}]

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._entries.clear()

    def to_json(self) -> list[dict[str, Any]]:
        """The entries as plain objects."""
        return [asdict(entry) for entry in self.entries()]
