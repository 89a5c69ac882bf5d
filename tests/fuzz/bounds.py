"""How long and how much the fuzz tests try, and the limits that code under hostile input has to keep.

`STRATA_FUZZ=thorough` tries fifty times more than the default, with other examples each time.
"""

from __future__ import annotations

import os
import signal
import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

_ALL = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example]
# Not loaded as the default: other tests keep theirs. The usual run tries the same examples on every machine.
settings.register_profile(
    "quick", max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=_ALL
)
settings.register_profile("thorough", max_examples=2_500, deadline=None, print_blob=True, suppress_health_check=_ALL)
fuzzed = settings.get_profile(os.environ.get("STRATA_FUZZ", "quick"))
thorough = fuzzed.max_examples > settings.get_profile("quick").max_examples
"""Decorates a test below `@given`."""


class TookTooLongError(BaseException):
    """Not an Exception: nothing that is tested may swallow it."""


@contextmanager
def cpu_seconds(limit: float) -> Generator[None]:
    """Stop what takes more of this process's CPU time; other processes on the machine do not count."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLongError(f"more than {limit} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def memory_bytes(limit: int) -> Generator[None]:
    """Fail when Python's allocations grow by more than that."""
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - start <= limit, f"{peak - start:,} bytes were held at once"
