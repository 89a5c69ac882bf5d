"""Which agents run, what their process is given, and what a commit says."""

from __future__ import annotations

from typing import Any, cast

import pytest

from coderipple import agent_runner
from coderipple.agent_runner import AgentFailedError, TokenBudget, clean_environment, run_agent
from coderipple.changes import AUTHOR, TRAILER, Change, ChangeSet
from coderipple.desk import Desk
from coderipple.publisher import Verdict, commit_message
from coderipple.repository import Commit
from coderipple.routing import choose_agents
from lambdas.orchestrator.contract import AGENTS, DEFAULT_DOC_PATHS
from lambdas.shared.deadline import Deadline


def changes(*listed: tuple[str, str], complete: bool = True, own: bool = False) -> ChangeSet:
    message = f"docs: update\n\n{TRAILER}: {'a' * 40}\n" if own else "feat: x"
    commit = Commit("b" * 40, AUTHOR["email"] if own else "ada@example.com", message)
    return ChangeSet("c" * 40, tuple(Change(path, status) for status, path in listed), complete, (commit,))


@pytest.mark.parametrize(
    ("found", "agents"),
    [
        (changes(("modified", "src/kettle.py")), ["tourist_guide", "building_inspector"]),
        (changes(("modified", "tests/test_kettle.py")), ["building_inspector"]),
        (changes(("modified", ".github/workflows/x.yml")), ["building_inspector"]),
        (changes(("modified", "pyproject.toml")), ["tourist_guide", "building_inspector", "historian"]),
        (changes(("removed", "src/old.py")), ["tourist_guide", "building_inspector", "historian"]),
        (changes(("added", "docs/adr/0002-steel.md")), ["historian"]),
        (changes(("modified", "README.md"), ("added", "docs/x.rst")), []),
        (changes(("modified", "docs/history.md"), own=True), []),
        (changes(("modified", "docs/adr/0001.md"), own=True), []),
        (changes(("modified", "src/kettle.py"), own=True), ["tourist_guide", "building_inspector"]),
        (changes(("modified", "README.md"), complete=False), ["building_inspector"]),
        (changes(), []),
    ],
)
def test_paths_decide_which_agents_run(found: ChangeSet, agents: list[str]) -> None:
    chosen = choose_agents(found, AGENTS, DEFAULT_DOC_PATHS)
    assert [one.agent for one in chosen] == agents
    assert all(one.why for one in chosen)
    assert choose_agents(found, (), DEFAULT_DOC_PATHS) == []


def test_a_commit_names_its_source_and_quotes_nobody() -> None:
    verdicts = [Verdict(path=f"docs/{n}.md", agent="historian", status="committed", score=90) for n in range(10, 30)]
    message = commit_message("d" * 40, verdicts)
    assert message.splitlines()[0] == "docs: update 20 documents"
    assert message.endswith(f"\n\n{TRAILER}: {'d' * 40}\n")
    assert "docs: update 10.md" in commit_message("d" * 40, verdicts[:1])


def test_the_agents_process_is_given_nothing_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_SESSION_TOKEN": "c",
        "AWS_LAMBDA_RUNTIME_API": "d",
        "GITHUB_TOKEN": "e",
        "GITHUB_TOKEN_SECRET_ARN": "f",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert not clean_environment().keys() & given.keys()


@pytest.mark.parametrize("sent", ["", "no JSON", "5", "null", "[" * 100_000, '{"call": 5}', '{"event": "done"}', "{}"])
def test_an_agents_process_that_sends_what_is_no_message_has_crashed(
    monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    monkeypatch.setattr(agent_runner, "MODULE", "tests.lambdas.orchestrator.broken_agent")
    desk = Desk("historian", cast("Any", None), cast("Any", None), "", DEFAULT_DOC_PATHS)
    with pytest.raises(AgentFailedError, match=r"historian: crashed \(it sent"):
        run_agent(desk, {"timeout": 60}, sent, TokenBudget(1000), Deadline.after(60))
