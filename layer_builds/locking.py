"""Locks between processes of one machine: advisory, and freed by the system when their holder ends, however it ends.

On Windows there are none, and what waits for a lock goes on without it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of a file, which is made when it is not there; waits for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415 - absent on Windows

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
