"""What each file of tests takes: the longest begin first, and `make quick` runs as many as fit into a minute.

Files are shared out among processes whole: one that takes minutes and is begun last leaves all but one of them idle.
The seconds are those of `pytest --note-durations`, wherever it ran: they say which files are long, not how fast a
machine is.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pytest

    Durations = Mapping[str, Mapping[str, float]]
    """File → seconds of its tests that are marked `slow`, and of the others."""

NOTED: Final = Path(__file__).with_name("durations.json")
QUICK_SECONDS: Final = 60.0
"""Of all processes together, setups included. Three on two processors have done that in less than a minute."""
LEAST_SECONDS: Final = 0.1
SLOW, OTHER = "slow", "other"


def noted() -> Durations:
    """Read what was noted."""
    found: Durations = json.loads(NOTED.read_text(encoding="utf-8"))
    return found


def file_of(nodeid: str) -> str:
    """The file that a test is in, by the test's id."""
    return nodeid.partition("::")[0]


def seconds(durations: Durations, file: str, kinds: Iterable[str] = (SLOW, OTHER)) -> float:
    """What a file takes; 0 for one that is not known."""
    return sum(durations.get(file, {}).get(kind, 0.0) for kind in kinds)


def quick(durations: Durations, tests: Mapping[str, int], budget_seconds: float = QUICK_SECONDS) -> set[str]:
    """Choose files: those whose tests take the least each, until the time is used up; and all that are not known.

    Args:
        durations: What was noted.
        tests: File → how many tests would run.
        budget_seconds: What the chosen ones may take together.

    Returns:
        Their paths.
    """
    known = {file: seconds(durations, file, [OTHER]) for file in tests if file in durations}
    chosen, left = tests.keys() - known.keys(), budget_seconds
    for file in sorted(known, key=lambda file: (known[file] / tests[file], file)):
        if known[file] <= left:
            chosen.add(file)
            left -= known[file]
    return chosen


class Noting:
    """Plugin of `--note-durations`: adds up what the tests of each file take, and writes it at the end."""

    def __init__(self, root: Path) -> None:
        """`root`: what the files' paths begin at."""
        self._root = root
        self._seconds: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        kind = SLOW if SLOW in report.keywords else OTHER
        self._seconds[file_of(report.nodeid)][kind] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Files that did not run keep what was noted of them; those that are gone go."""
        merged = {file: kinds for file, kinds in noted().items() if (self._root / file).exists()} | {
            file: {kind: round(max(LEAST_SECONDS, taken), 1) for kind, taken in sorted(kinds.items())}
            for file, kinds in self._seconds.items()
        }
        lines = [f'  "{file}": {json.dumps(merged[file])}' for file in sorted(merged)]
        NOTED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
