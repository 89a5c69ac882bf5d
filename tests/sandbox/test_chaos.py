"""The chaos run: its plan, its judgement, and a small form of the run itself."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from sandbox.chaos.messages import make_messages, with_duplicates
from sandbox.chaos.plan import KINDS, PATHS, make_plan
from sandbox.chaos.run import Options, run, run_once
from sandbox.chaos.verdict import judge
from sandbox.screen import Steps
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sandbox.chaos.messages import Sent

SMALL: Any = {"messages": 60, "duplicates": 6, "batch_size": 4}


# --- the plan ---


def test_a_seed_is_a_plan() -> None:
    assert make_plan(7, 100) == make_plan(7, 100)
    assert make_plan(7, 100).digest != make_plan(8, 100).digest


@pytest.mark.parametrize("batches", [15, 110])
def test_every_kind_of_fault_is_in_every_plan_at_requests_that_will_be_made(batches: int) -> None:
    plan = make_plan(1, batches)
    assert all(plan.count(kind) >= 1 for kind in KINDS)
    for server in PATHS:
        steps = [step for step in plan.steps if step.server == server]
        assert len(plan.of(server)) == len(steps), "one fault a request"
        assert all(2 <= step.request <= batches for step in steps)


def test_too_little_work_for_the_faults_is_refused_with_the_way_out() -> None:
    with pytest.raises(SandboxError, match="send more messages, or fewer in a batch"):
        run(Options(messages=20, duplicates=0), as_json=True)


# --- what is sent ---


def test_messages_are_distinct_in_id_body_and_text_and_follow_from_the_seed() -> None:
    made = make_messages(3, 1_000)
    assert made == make_messages(3, 1_000)
    assert made != make_messages(4, 1_000)
    assert len({one.id for one in made}) == len({one.body for one in made}) == 1_000
    texts = [one.text for one in made if one.text is not None]
    assert len(set(texts)) == len(texts) == 990


def test_duplicates_are_of_good_messages_and_everything_is_sent() -> None:
    made = make_messages(3, 50)
    bodies = with_duplicates(3, made, 10)
    assert len(bodies) == 60
    assert set(bodies) == {one.body for one in made}
    bad = [one.body for one in made if one.text is None]
    assert [bodies.count(body) for body in bad] == [1] * len(bad)


# --- the judgement ---


class Letters:
    """Counts letters: a model that tells any two of these texts apart."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[text.count(letter) for letter in "aeiou"] + [len(text)] for text in texts], np.float32)


def perfect(messages: Sequence[Sent]) -> dict[str, list[float]]:
    return {one.id: Letters().embed([one.text])[0].tolist() for one in messages if one.text is not None}


def bad_bodies(messages: Sequence[Sent]) -> list[str]:
    return [one.body for one in messages if one.text is None]


def test_all_in_their_place_is_nothing_lost() -> None:
    made = make_messages(1, 40)
    verdict = judge(made, 45, perfect(made), bad_bodies(made), Letters())
    assert verdict.nothing_lost
    assert (verdict.stored, verdict.failed, verdict.failed_although_good) == (39, 1, 0)


def test_a_missing_vector_is_lost_unless_the_message_is_in_the_failure_queue() -> None:
    made = make_messages(1, 40)
    vectors = perfect(made)
    gone = next(one for one in made if one.text is not None)
    del vectors[gone.id]
    assert judge(made, 40, vectors, bad_bodies(made), Letters()).lost == [gone.id]
    kept = judge(made, 40, vectors, [*bad_bodies(made), gone.body], Letters())
    assert kept.nothing_lost
    assert kept.failed_although_good == 1


def test_a_bad_message_that_vanished_is_lost_too() -> None:
    made = make_messages(1, 40)
    assert not judge(made, 40, perfect(made), [], Letters()).nothing_lost


def test_a_vector_under_another_id_is_doubled_and_two_that_changed_places_are_wrong() -> None:
    made = make_messages(1, 40)
    vectors = perfect(made)
    assert judge(made, 40, vectors | {"another": [0.0] * 6}, bad_bodies(made), Letters()).doubled == ["another"]
    first, second = [one.id for one in made if one.text is not None][:2]
    vectors[first], vectors[second] = vectors[second], vectors[first]
    assert judge(made, 40, vectors, bad_bodies(made), Letters()).wrong == [first, second]


# --- the run ---


@pytest.fixture
def steps() -> Steps:
    return Steps(Console(file=io.StringIO()))


@pytest.mark.slow
@pytest.mark.xdist_group("local-cloud")
def test_under_every_kind_of_fault_nothing_is_lost_and_nothing_doubled(steps: Steps) -> None:
    options = Options(seed=5, **SMALL)
    plan = make_plan(options.seed, 14)
    outcome = run_once(options, plan, steps)
    assert outcome.verdict.nothing_lost, outcome.verdict.to_json()
    assert sorted(outcome.happened) == sorted(f"{step.server} {step.kind}" for step in plan.steps)
    assert all(outcome.refusals.values()), "each rotated key was refused under its old value"
    assert outcome.index_starts == 3
    assert outcome.cold_starts >= 4, "killed processes were replaced"


@pytest.mark.slow
@pytest.mark.xdist_group("local-cloud")
def test_a_handler_that_acknowledges_first_is_seen_to_lose_messages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Options(seed=5, control=True, **SMALL), as_json=True) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["runs"][0]["verdict"]["lost"]["count"] > 0
