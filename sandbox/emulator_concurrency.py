"""How many asynchronous events are worked on at once: the rest waits, as Lambda's own queue lets throttled events wait.

A bucket that gets a thousand objects would otherwise start a thousand processes here. What waits for an answer is not
held back: a queue's mapping has a limit of its own, and requests over HTTP come from people.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ACCOUNT_CONCURRENCY: Final = 10
"""Of all functions together: what a new account has."""
LOOK_AGAIN_SECONDS: Final = 1.0
"""While an event waits, the function's reserved concurrency may be set anew."""


class Concurrency:
    """Places for events in work."""

    def __init__(self, account: int = ACCOUNT_CONCURRENCY) -> None:
        self._account = threading.Semaphore(account)
        self._functions: dict[tuple[str, int], threading.Semaphore] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def place(self, function: str, reserved: Callable[[], int | None]) -> Generator[None]:
        """Wait for a place of a function, and keep it.

        Args:
            function: its name.
            reserved: says its reserved concurrency; None is what the account has.
        """
        own = self._taken(function, reserved)
        try:
            with self._account:
                yield
        finally:
            if own is not None:
                own.release()

    def _taken(self, function: str, reserved: Callable[[], int | None]) -> threading.Semaphore | None:
        while (most := reserved()) is not None:
            with self._lock:
                own = self._functions.setdefault((function, most), threading.Semaphore(most))
            if own.acquire(timeout=LOOK_AGAIN_SECONDS):
                return own
        return None
