"""The chaos run: its plan, its judgement, and a small form of the run itself."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from rich.console import Console

from components.systems import SYSTEMS
from sandbox.chaos import LAMBDA, Chaos, chaos, systems
from sandbox.chaos.ending import DeadLetter
from sandbox.chaos.gate import ACTIONS
from sandbox.chaos.hands import PHASES
from sandbox.chaos.run import run, run_once
from sandbox.chaos.trials import Wanted, prepared
from sandbox.demos.embedding.messages import make_messages, with_duplicates
from sandbox.demos.embedding.verdict import judge
from sandbox.screen import Steps
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sandbox.chaos.trials import Trial
    from sandbox.demos.embedding.messages import Sent

SMALL: Any = {"messages": 64, "duplicates": 6, "batch_size": 4}


# --- the plan ---

PARTS = {name: chaos(name) for name in systems()}


def trial(system: str, **wanted: Any) -> Trial:
    (found,) = prepared(Wanted(systems=[system], **wanted))
    return found


def test_every_system_has_a_part() -> None:
    assert PARTS.keys() == SYSTEMS.keys()


@pytest.mark.parametrize("system", PARTS)
def test_a_seed_is_a_plan(system: str) -> None:
    assert trial(system, seed=7).plan == trial(system, seed=7).plan
    assert trial(system, seed=7).plan.digest != trial(system, seed=8).plan.digest


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_every_fault_can_be_carried_out(part: Chaos) -> None:
    """At a service whose requests are counted, or at the function's invocations; only what can be started is killed."""
    for kind in part.kinds:
        known = PHASES.values() if kind.service == LAMBDA else ACTIONS
        assert kind.service in {*part.counted, LAMBDA}
        assert kind.fault or kind.act or kind.name in known
        assert not kind.name.startswith("restart") or kind.service in part.processes


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_every_function_is_killed_and_its_services_fail_and_change_their_keys(part: Chaos) -> None:
    names = {kind.name for kind in part.kinds}
    assert [name for name in names if name.startswith(("kill", "lose"))]
    for service in part.counted:
        own = [kind for kind in part.kinds if kind.service == service]
        assert {"down", "rotate"} <= {kind.name for kind in own}
        assert [kind for kind in own if kind.fault is not None]


@pytest.mark.parametrize("system", PARTS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_kind_of_fault_is_in_every_plan_at_requests_that_will_be_made(system: str, seed: int) -> None:
    found = trial(system, seed=seed)
    assert all(found.plan.count(kind) >= 1 for kind in found.part.kinds)
    for service in {kind.service for kind in found.part.kinds}:
        steps = [step for step in found.plan.steps if step.service == service]
        assert len(found.plan.of(service)) == len(steps), "one fault a request"
        assert all(2 <= step.request <= found.work.requests[service] for step in steps)


def test_a_system_without_a_part_is_refused_by_name() -> None:
    with pytest.raises(SandboxError, match=r"there is no 'nonsense' in sandbox/demos: there is .*embedding"):
        run(Wanted(systems=["nonsense"]), as_json=True)


def test_too_little_work_for_the_faults_is_refused_with_the_remedy() -> None:
    with pytest.raises(SandboxError, match=r"embedding: 2 requests of openai .* send more messages, or fewer"):
        run(Wanted(systems=["embedding"], messages=20, duplicates=0), as_json=True)


# --- what is sent ---


def test_messages_are_distinct_in_id_body_and_text_and_follow_from_the_seed() -> None:
    made = make_messages(3, 1_000)
    assert made == make_messages(3, 1_000)
    assert made != make_messages(4, 1_000)
    assert len({sent.id for sent in made}) == len({sent.body for sent in made}) == 1_000
    texts = [sent.text for sent in made if sent.text is not None]
    assert len(set(texts)) == len(texts) == 990


def test_duplicates_are_of_good_messages_and_everything_is_sent() -> None:
    made = make_messages(3, 50)
    bodies = with_duplicates(3, made, 10)
    assert len(bodies) == 60
    assert set(bodies) == {sent.body for sent in made}
    bad = [sent.body for sent in made if sent.text is None]
    assert [bodies.count(body) for body in bad] == [1] * len(bad)


# --- the judgement ---


class Letters:
    """Counts letters: a model that tells any two of these texts apart."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([[text.count(letter) for letter in "aeiou"] + [len(text)] for text in texts], np.float32)


def perfect(messages: Sequence[Sent]) -> dict[str, list[float]]:
    return {sent.id: Letters().embed([sent.text])[0].tolist() for sent in messages if sent.text is not None}


def refused(messages: Sequence[Sent]) -> list[DeadLetter]:
    return [DeadLetter(sent.body, "wrong: it is wrong") for sent in messages if sent.text is None]


def test_all_in_their_place_is_nothing_lost() -> None:
    made = make_messages(1, 40)
    verdict = judge(made, 45, perfect(made), refused(made), Letters())
    assert verdict.nothing_lost
    assert (verdict.done, verdict.dead, verdict.dead_although_good) == (39, 1, 0)


def test_a_missing_vector_is_lost_unless_the_message_is_in_the_dead_letter_queue() -> None:
    made = make_messages(1, 40)
    vectors = perfect(made)
    gone = next(sent for sent in made if sent.text is not None)
    del vectors[gone.id]
    assert judge(made, 40, vectors, refused(made), Letters()).lost == [gone.id]
    kept = judge(made, 40, vectors, [*refused(made), DeadLetter(gone.body, "unavailable")], Letters())
    assert kept.nothing_lost
    assert kept.dead_although_good == 1


def test_who_is_in_the_dead_letter_queue_without_a_reason_is_not_accounted_for() -> None:
    made = make_messages(1, 40)
    verdict = judge(made, 40, perfect(made), [DeadLetter(each.body, "") for each in refused(made)], Letters())
    assert len(verdict.unexplained) == 1
    assert not verdict.nothing_lost


def test_a_bad_message_that_vanished_is_lost_too() -> None:
    made = make_messages(1, 40)
    assert not judge(made, 40, perfect(made), [], Letters()).nothing_lost


def test_a_vector_under_another_id_is_doubled_and_two_that_changed_places_are_wrong() -> None:
    made = make_messages(1, 40)
    vectors = perfect(made)
    assert judge(made, 40, vectors | {"another": [0.0] * 6}, refused(made), Letters()).doubled == ["another"]
    first, second = [sent.id for sent in made if sent.text is not None][:2]
    vectors[first], vectors[second] = vectors[second], vectors[first]
    assert judge(made, 40, vectors, refused(made), Letters()).wrong == [first, second]


# --- the run ---


@pytest.mark.slow
@pytest.mark.xdist_group("local-cloud")
def test_under_every_kind_of_fault_nothing_is_lost_and_nothing_doubled() -> None:
    """The embedding system's messages, and at the same time requests to the image processor."""
    trials = [trial("embedding", seed=5, **SMALL), trial("image_processor", seed=5)]
    outcomes = run_once(trials, Steps(Console(file=io.StringIO())))
    for found in trials:
        outcome = outcomes[found.system]
        assert outcome.verdict.nothing_lost, outcome.verdict.to_json()
        assert outcome.carried_out, (outcome.happened, outcome.at_lambda, outcome.planned)
        assert outcome.unfelt == [], "each rotated key was refused under its old value"
        assert outcome.cold_starts >= 4, "killed processes were replaced"
    assert outcomes["embedding"].starts == {"pinecone": 3}


@pytest.mark.slow
@pytest.mark.xdist_group("local-cloud")
def test_without_what_protects_them_inputs_are_seen_to_be_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that acknowledges first, one whose failures are not heard; a caller that does not ask again."""
    systems = ["embedding", "image_processor"]
    assert run(Wanted(systems=systems, seed=5, control=True, **SMALL), as_json=True) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["systems"].keys() == {
        "embedding without acknowledge-late",
        "embedding without partial-batch-response",
        "image_processor without ask-again",
    }
    assert all(each["runs"][0]["verdict"]["lost"]["count"] > 0 for each in found["systems"].values())
