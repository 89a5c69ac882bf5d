"""For all tests: property tests are not timed, long files begin first, AWS's models are read once, SIGINT interrupts.

How fast a shared machine is says nothing about the code. Files are shared out among processes whole: one that takes
minutes and is begun last leaves all but one of them idle.
"""

from __future__ import annotations

import signal
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = (
    "tests/scaffold/test_function.py",
    "tests/lambdas/orchestrator/test_runs.py",
    "tests/lambdas/orchestrator/test_deliveries.py",
    "tests/sandbox/test_function_embedding_processor.py",
    "tests/sandbox/test_commands.py",
    "tests/sandbox/test_chaos.py",
    "tests/lambdas/extract_text/test_hostile.py",
)
"""What takes a minute or more, the longest first."""

settings.register_profile("untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# A session reads AWS's descriptions of its services anew: 30 ms a client, and tests make thousands. All sessions of a
# process share what was read, as the clients of one session do.
botocore.session.create_loader = cache(botocore.session.create_loader)

# A shell's job in the background begins with it ignored, and so does every process that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # the engine tests' own order is made after it
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first, then those with slow tests, those with the most of them before the others."""
    longest = [config.rootpath / name for name in LONGEST]
    if missing := [str(path) for path in longest if not path.exists()]:
        raise pytest.UsageError(f"LONGEST in tests/conftest.py names {missing[0]}, which is not there: remove it")
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))

    def place(item: pytest.Item) -> tuple[int, int, Path]:
        first = longest.index(item.path) if item.path in longest else len(longest)
        return first, -slow[item.path], item.path

    items.sort(key=place)
