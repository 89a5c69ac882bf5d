"""What the proposals of one run may not do together, what a history keeps, and what a run costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coderipple import telemetry
from coderipple.proposals import Proposal
from coderipple.publisher import Publisher, Target
from coderipple.runs import count_run
from coderipple.texts import appended, plain
from lambdas.orchestrator import contract
from tests.lambdas.orchestrator.conftest import CHANGE, REPO, World, logged, results
from tests.lambdas.orchestrator.planned_agent import ENTRY, GUIDE, TOKENS, append, plan, propose
from tests.lambdas.orchestrator.test_texts import Held

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = "docs/history.md"


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector,tourist_guide")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tokens that the metrics were told of."""
    told: list[int] = []
    count = telemetry.count_tokens

    def counting(config: Any, given: int, made: int) -> None:
        told.append(given + made)
        count(config, given, made)

    monkeypatch.setattr(telemetry, "count_tokens", counting)
    return told


PAIRS = [("docs/zed.md", "docs/Zed.md"), ("docs/x.md", "docs/x.md/y.md"), ("docs/x.md/y.md", "docs/x.md")]


@pytest.mark.parametrize("pair", PAIRS)
def test_two_documents_that_cannot_both_be_there_are_not(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, pair: Any
) -> None:
    first, second = pair
    both = {
        "tourist_guide": [propose(first)],
        "building_inspector": [propose(second, f"{GUIDE}\nSee src/kettle.py.\n")],
    }
    plan(monkeypatch, tmp_path, both)
    assert world.work(world.push(CHANGE)) == []
    (result,) = results(caplog)
    assert [document["status"] for document in result["documents"]] == ["committed", "refused"]
    assert first in world.files()
    assert second not in world.files()


@pytest.mark.parametrize("pair", PAIRS)
def test_one_agent_is_told_that_its_documents_do_not_fit_together(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, pair: Any
) -> None:
    plan(monkeypatch, tmp_path, {"building_inspector": [propose(path) for path in pair]})
    assert world.work(world.push(CHANGE)) == []
    (result,) = results(caplog)
    assert [document["path"] for document in result["documents"]] == [pair[0]]
    assert [agent["forbidden_paths"] for agent in result["agents"]] == [0, 1]


RAW = st.lists(st.sampled_from(["a", " ", "\n", "\r\n", "\r", "\ufeff"]), max_size=12).map("".join)


@given(RAW)
def test_what_a_history_was_is_the_beginning_of_what_it_is(before: str) -> None:
    after = appended(before, "## Two\r\n\r\nWhy.\n\n")
    assert after.startswith(before)
    assert plain(after).endswith("\n\n## Two\n\nWhy.\n" if plain(before) else "## Two\n\nWhy.\n")
    assert plain(after[len(before) :]).lstrip("\n") == "## Two\n\nWhy.\n"


def test_a_history_of_several_line_ends_keeps_its_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = "# History\r\n\r\nfirst\r\nsecond\r\nthird line by a mac\nfourth  \r\n\r\n\n\n"
    world.push({HISTORY: before}, "docs: history")
    monkeypatch.setenv(contract.ENABLED_AGENTS, "historian")
    plan(monkeypatch, tmp_path, {"historian": [append()]})
    assert world.work(world.push(CHANGE)) == []
    assert world.files()[HISTORY] == before + f"{ENTRY}\n".replace("\n", "\r\n")


def test_two_entries_of_a_run_are_both_in_the_history(world: World) -> None:
    held: Any = Held({HISTORY: "# History\r\n"})
    entries = [ENTRY, ENTRY.replace("valve", "lid")]
    proposals = [
        Proposal(agent="historian", path=HISTORY, content=entry, appends=True, reason="", base=None)
        for entry in entries
    ]
    target = Target(branch="main", source="a" * 40, changed=("src/kettle.py",))
    (verdict,) = Publisher(held, world.services.config, ()).judge(target, proposals, "h")
    assert plain(verdict.text) == f"# History\n\n{entries[0]}\n\n{entries[1]}\n"


def test_the_historian_does_not_run_where_its_file_may_not_be_written(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(contract.ENABLED_AGENTS, "historian")
    monkeypatch.setenv(contract.DOC_PATHS, "guides/")
    plan(monkeypatch, tmp_path, {"historian": [append()]})
    assert world.work(world.push(CHANGE)) == []
    assert [(one["outcome"], one["reason"]) for one in results(caplog)] == [("ignored", "nothing to document")]


def test_each_call_of_a_model_is_counted_once(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, counted: list[int]
) -> None:
    calls = {"building_inspector": [propose("docs/guide.md")], "tourist_guide": [propose("README.md")]}
    message = world.push(CHANGE)
    plan(monkeypatch, tmp_path, calls, failing=("building_inspector",))
    assert world.work(message) == ["0"]
    assert sum(counted) == 2 * sum(TOKENS)
    plan(monkeypatch, tmp_path, calls)
    assert world.work(message, received=2) == []
    assert sum(counted) == 3 * sum(TOKENS)
    assert world.work({**message, "delivery": "again"}) == []
    assert sum(counted) == 3 * sum(TOKENS)
    assert [result["tokens"] for result in results(caplog)] == [
        dict(zip(("input", "output"), TOKENS, strict=True)),
        {"input": 0, "output": 0},
    ]


def test_an_agent_that_looks_again_adds_to_what_its_run_has_used(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, counted: list[int]
) -> None:
    monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector")
    plan(monkeypatch, tmp_path, {"building_inspector": [propose("docs/guide.md", GUIDE)]})
    message = world.push(CHANGE)
    judge, pushed = Publisher.judge, iter([True])

    def judged(self: Publisher, target: Target, proposals: Any, head: str) -> Any:
        if next(pushed, False):
            world.push({"docs/guide.md": f"{GUIDE}\nBy Ada.\n"}, "docs: mine")
            head = world.head()
        return judge(self, target, proposals, head)

    monkeypatch.setattr(Publisher, "judge", judged)
    assert world.work(message) == []
    assert sum(counted) == 2 * sum(TOKENS) == sum(results(caplog)[0]["tokens"].values())


def test_a_run_has_one_budget_for_all_its_deliveries(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, counted: list[int]
) -> None:
    monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector")
    monkeypatch.setenv(contract.RUN_TOKENS, str(2 * sum(TOKENS) - 1))
    plan(monkeypatch, tmp_path, {}, failing=("building_inspector",))
    message = world.push(CHANGE)
    assert world.work(message) == ["0"]
    assert world.work(message, received=2) == []
    assert world.work({**message, "delivery": "again"}) == []
    assert sum(counted) == 2 * sum(TOKENS)
    assert [one["outcome"] for result in results(caplog) for one in result["agents"]] == ["token_budget"] * 2
    assert "model_timeout" in logged(caplog)


def test_no_agent_begins_when_its_run_has_nothing_left(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, counted: list[int]
) -> None:
    monkeypatch.setenv(contract.RUN_TOKENS, "1000")
    calls = {"building_inspector": [propose("docs/guide.md")]}
    message = world.push(CHANGE)
    plan(monkeypatch, tmp_path, calls)
    monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector")
    assert world.work(message) == []
    monkeypatch.setenv(contract.ENABLED_AGENTS, "tourist_guide")
    assert world.work({**message, "delivery": "again"}) == []
    assert sum(counted) == sum(TOKENS)
    assert [one["outcome"] for result in results(caplog) for one in result["agents"]] == ["token_budget"] * 2


def test_the_runs_of_a_day_fit_into_an_item_whatever_branches_are_called(world: World) -> None:
    services = world.services
    for name in ("x", "y"):
        assert count_run(services.tables, services.config, REPO, f"refs/heads/{name * 1_000}@{'a' * 40}")
    (item,) = services.tables.scan(TableName=services.config.runs_table)["Items"]
    stored = item["pushes"]["SS"]
    assert len(stored) == 2
    assert max(map(len, stored)) * 10_000 < 300_000
