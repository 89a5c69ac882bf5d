"""Time as this process lived it, for tests of deadlines on a machine that may stop or starve them for seconds."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

TICK_SECONDS = 0.02


class Stopwatch:
    """Counts ticks while it is entered: a pause is one tick, however long, and a wait for somebody else is all of them.

    So an upper bound of `seconds` says what the code waited for, and not what else the machine did meanwhile.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._count, name="stopwatch", daemon=True)

    def _count(self) -> None:
        while not self._over.wait(TICK_SECONDS):
            self.seconds += TICK_SECONDS

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
