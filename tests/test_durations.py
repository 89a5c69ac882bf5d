"""Which files `make quick` takes, and what is noted of each."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from layer_builds.plan import REPOSITORY
from tests import durations

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

KNOWN = {"a.py": {"other": 10.0}, "b.py": {"other": 4.0, "slow": 90.0}, "c.py": {"other": 3.0}, "d.py": {"slow": 60.0}}


def test_those_whose_tests_take_the_least_are_taken_until_the_time_is_used_up() -> None:
    tests = {"a.py": 100, "b.py": 10, "c.py": 1}
    assert durations.quick(KNOWN, tests, 14) == {"a.py", "b.py"}
    assert durations.quick(KNOWN, tests, 13) == {"a.py", "c.py"}, "one that is too long leaves room for a shorter one"
    assert durations.quick(KNOWN, tests, 1) == set()
    assert durations.quick(KNOWN, tests, 1_000) == tests.keys()


def test_what_is_not_known_is_always_taken() -> None:
    assert durations.quick(KNOWN, {"new.py": 3, "a.py": 1}, 0) == {"new.py"}


def test_a_file_takes_what_its_tests_take_of_which_some_are_slow() -> None:
    assert durations.seconds(KNOWN, "b.py") == 94
    assert durations.seconds(KNOWN, "b.py", [durations.OTHER]) == 4
    assert durations.seconds(KNOWN, "new.py") == 0


def test_what_ran_is_noted_anew_and_what_is_gone_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "durations.json"
    noted.write_text(json.dumps({"tests/gone.py": {"other": 1}, "tests/conftest.py": {"other": 2.5}}))
    monkeypatch.setattr(durations, "NOTED", noted)
    noting = durations.Noting(REPOSITORY)

    def reported(file: str, seconds: float, *marks: str) -> Any:
        return SimpleNamespace(nodeid=f"{file}::test_it", duration=seconds, keywords=dict.fromkeys(marks, 1))

    for report in (
        reported("tests/test_durations.py", 1.25),
        reported("tests/test_durations.py", 1.0),
        reported("tests/test_durations.py", 40.0, "slow"),
        reported("tests/quick.py", 0.001),
    ):
        noting.pytest_runtest_logreport(report)
    noting.pytest_sessionfinish()
    assert durations.noted() == {
        "tests/conftest.py": {"other": 2.5},
        "tests/quick.py": {"other": 0.1},
        "tests/test_durations.py": {"other": 2.2, "slow": 40.0},
    }
    assert noted.read_text().splitlines()[1:3] == [
        '  "tests/conftest.py": {"other": 2.5},',
        '  "tests/quick.py": {"other": 0.1},',
    ]


def test_a_minute_holds_more_than_half_of_the_files() -> None:
    known = durations.noted()
    chosen = durations.quick(known, dict.fromkeys(known, 20))
    assert len(known) / 2 < len(chosen) < len(known)
