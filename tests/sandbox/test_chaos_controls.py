"""Controls: which run side by side, what they have to show, and that only the leases of dead runs end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from sandbox.chaos import chaos, page, systems
from sandbox.chaos.controls import Control, rounds
from sandbox.chaos.leases import Lapses, Lease
from sandbox.chaos.shown import Outcome
from sandbox.chaos.trials import Wanted, prepared
from sandbox.chaos.verdict import Verdict
from sandbox.demos import demo

if TYPE_CHECKING:
    from sandbox.chaos.controls import Problem


def without(seen: Problem) -> Control:
    return Control(name="it", removed="it", remove=lambda _: None, seen=seen)


def verdict(**problems: list[str]) -> Verdict:
    """Of three inputs, one of which is done."""
    done = {"a", *problems.get("wrong", []), *problems.get("doubled", []), *problems.get("unexplained", [])}
    done |= {"b", "c"} - set(problems.get("lost", []))
    return Verdict.of(
        sent=3,
        inputs=dict.fromkeys("abc", True),
        done=done - set(problems.get("unexplained", [])),
        dead=dict.fromkeys(problems.get("unexplained", []), ""),
        doubled=problems.get("doubled", ()),
        wrong=problems.get("wrong", ()),
    )


def test_every_system_has_a_control() -> None:
    names = {name: [control.name for control in chaos(name).controls] for name in systems()}
    assert all(names.values())
    assert all(len(set(each)) == len(each) for each in names.values())


def test_controls_run_beside_those_that_they_do_not_disturb_and_all_of_them_run() -> None:
    trials = prepared(Wanted(control=True))
    together = rounds(trials)
    assert sorted(trial.name for beside in together for trial in beside) == sorted(trial.name for trial in trials)
    for beside in together:
        names = [trial.system for trial in beside]
        assert len(set(names)) == len(names)
        for name in names:
            found = demo(name)
            assert found is not None
            assert not set(found.neighbours) & set(names)
    assert len(together) < len(trials)


@pytest.mark.parametrize("seen", ["lost", "doubled", "wrong", "unexplained"])
def test_a_control_has_to_show_what_it_is_for_and_nothing_else(seen: Problem) -> None:
    control = without(seen)
    assert Outcome(verdict=verdict(**{seen: ["b"]}), planned=0).ok(control)
    assert not Outcome(verdict=verdict(), planned=0).ok(control)
    other = "wrong" if seen == "lost" else "lost"
    assert not Outcome(verdict=verdict(**{seen: ["b"], other: ["c"]}), planned=0).ok(control)
    assert not Outcome(verdict=verdict(**{seen: ["b"]}), planned=0).ok(None)


def test_the_page_is_of_today() -> None:
    assert page.main(["--check"]) == 0, "run `python -m sandbox.chaos.page`"


# --- leases ---

LEASE = Lease(table="TABLE", key=("id",), status="status", going_on="at it", until="until")
FAR = {"N": "99999999999"}


class Small:
    """As much of a cloud as `Lapses` asks: one table, whose condition is checked, and the processes at work."""

    def __init__(self) -> None:
        self.items = {"x": {"id": {"S": "x"}, "status": {"S": "at it"}, "until": FAR}}
        self.working: list[tuple[int, str]] = []
        self.host = self

    def function(self, _: str) -> dict[str, str]:
        return {"name": "worker"}

    def client(self, _: str) -> Any:
        return self

    def get_function_configuration(self, **_: str) -> dict[str, Any]:
        return {"Environment": {"Variables": {"TABLE": "table"}}}

    def environments(self) -> list[dict[str, Any]]:
        return [{"function": "worker", "pid": pid, "request_id": request} for pid, request in self.working]

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        found = [dict(item) for item in self.items.values() if item["status"]["S"] == "at it" and item["until"] == FAR]
        return [{"Items": found}]

    def update_item(self, **given: Any) -> None:
        item, values = self.items[given["Key"]["id"]["S"]], given["ExpressionAttributeValues"]
        if item["status"] != values[":going_on"] or item["until"] != values[":seen"]:
            raise ClientError({"Error": {"Code": "ConditionalCheckFailedException"}}, "UpdateItem")
        item["until"] = values[":now"]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setattr("sandbox.chaos.leases.EVERY_SECONDS", 0.0)
    return Small()


def lapses(small: Small) -> Lapses:
    return Lapses(small, "worker", LEASE)  # type: ignore[arg-type]


def test_the_lease_of_a_run_that_is_at_work_stays_until_it_is_gone(small: Small) -> None:
    look = lapses(small)
    small.working = [(1, "owner"), (2, "another")]
    look()
    small.working = [(1, "owner"), (3, "later")]
    look()
    assert small.items["x"]["until"] == FAR, "the owner may be at work"
    small.working = [(3, "later"), (1, "its next request")]
    look()
    assert small.items["x"]["until"] != FAR
    assert look.ended == 1


def test_a_lease_that_has_been_taken_over_is_another_one(small: Small) -> None:
    look = lapses(small)
    small.working = [(1, "owner")]
    look()
    small.working = [(2, "successor")]
    taken_over = {"N": "88888888888"}
    scan = small.paginate
    small.paginate = lambda **_: [{"Items": [dict(item) for item in small.items.values()]}]  # type: ignore[method-assign]
    small.items["x"]["until"] = taken_over
    look()
    assert small.items["x"]["until"] == taken_over
    small.paginate = scan  # type: ignore[method-assign]


def test_a_run_that_has_ended_by_itself_keeps_its_result(small: Small) -> None:
    """It ends between the look at the table and the look at the processes."""
    look = lapses(small)
    read = small.paginate

    def ends(**given: Any) -> list[dict[str, Any]]:
        found = read(**given)
        small.items["x"]["status"] = {"S": "done"}
        return found

    small.paginate = ends  # type: ignore[method-assign]
    look()
    assert small.items["x"] == {"id": {"S": "x"}, "status": {"S": "done"}, "until": FAR}
    assert look.ended == 0
