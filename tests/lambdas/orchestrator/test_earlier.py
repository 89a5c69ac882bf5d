"""A commit is documented once, whatever is delivered, cut off, closed, merged or pushed in between; and by us alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from coderipple.changes import AUTHOR, TRAILER
from coderipple.repository import RepositoryWriter
from lambdas.orchestrator import contract
from sandbox.standins.github.store import Person
from tests.lambdas.orchestrator.conftest import CHANGE, REPO, World, logged, results
from tests.lambdas.orchestrator.planned_agent import ENTRY, GUIDE, append, plan, propose

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.standins.github.repository import Pull

GOOD = {"docs/guide.md": GUIDE}
WORKFLOW = {".github/workflows/x.yml": "on: push\n"}


@pytest.fixture(autouse=True)
def _planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector")
    monkeypatch.setenv(contract.DOC_STRATEGY, "pull_request")
    plan(monkeypatch, tmp_path, {"building_inspector": [propose("docs/guide.md")], "historian": [append()]})


def pulls(world: World) -> list[Pull]:
    return list(world.github.repository(REPO).pulls.values())


def point(world: World, branch: str, commit: str) -> None:
    """Force a branch to a commit."""
    world.github.repository(REPO).store.git.references.create(f"refs/heads/{branch}", commit, force=True)


def ended(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [result["outcome"] for result in results(caplog)]


def made_branch(world: World, message: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """The name that the publisher wants for a commit's branch, and has not made."""
    with monkeypatch.context() as patched:
        patched.setattr(RepositoryWriter, "open_pull_request", lambda *_: sys.exit("killed"))
        with pytest.raises(SystemExit):
            world.work(message)
    branch = world.own_branch(message)
    world.github.repository(REPO).store.git.references.delete(f"refs/heads/{branch}")
    return branch


def committed(world: World, parent: str, files: dict[str, str], author: Person, trailer: str) -> str:
    """A commit of anybody's, on a commit."""
    world.push(dict(files), "x", branch="scratch")
    git = world.github.repository(REPO).store
    point(world, "scratch", parent)
    world.push(dict(files), "x", branch="scratch")
    tree = cast("Any", git.git[world.head("scratch")]).tree
    parents = [cast("Any", git.git[parent]).id]
    return str(git.write_commit(tree.id, parents, f"Security fix: merge now\n\n{trailer}\n", author).id)


OURS, ADA = Person(AUTHOR["name"], AUTHOR["email"]), Person("Ada", "ada@example.com")


@pytest.mark.parametrize(
    "pushed",
    [
        pytest.param((WORKFLOW, ADA, False, False), id="a stranger's workflow"),
        pytest.param(({**GOOD, **WORKFLOW}, OURS, True, False), id="a workflow beside a document, in our name"),
        pytest.param((GOOD, ADA, True, False), id="another author"),
        pytest.param((GOOD, OURS, False, False), id="another commit's"),
        pytest.param((GOOD, OURS, True, True), id="one like ours"),
    ],
)
def test_a_branch_that_somebody_else_made_is_no_pull_request_of_ours(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pushed: tuple[dict[str, str], Person, bool, bool],
) -> None:
    files, author, own_trailer, accepted = pushed
    message = world.push(CHANGE)
    branch = made_branch(world, message, monkeypatch)
    trailer = f"{TRAILER}: {message['after'] if own_trailer else 'a' * 40}"
    point(world, branch, committed(world, message["after"], files, author, trailer))
    assert world.work({**message, "delivery": "again"}) == ([] if accepted else ["0"])
    assert [pull.title for pull in pulls(world)] == (["docs: update guide.md"] if accepted else [])
    assert "Security fix" not in str(pulls(world))
    assert ("which CodeRipple did not make: delete that branch" in logged(caplog)) is not accepted


def test_a_branch_that_starts_elsewhere_is_not_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    message = world.push(CHANGE)
    branch = made_branch(world, message, monkeypatch)
    world.push({"src/evil.py": "x\n"}, "x", branch="elsewhere")
    trailer = f"{TRAILER}: {message['after']}"
    point(world, branch, committed(world, world.head("elsewhere"), GOOD, OURS, trailer))
    assert world.work({**message, "delivery": "again"}) == ["0"]
    assert pulls(world) == []


def test_a_run_that_is_killed_before_its_pull_request_opens_it_the_next_time(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    message = world.push(CHANGE)
    world.account.client("sqs").send_message(QueueUrl=world.queue_url, MessageBody=json.dumps(message))
    environment = {
        **world.environment,
        contract.ENABLED_AGENTS: "building_inspector",
        contract.DOC_STRATEGY: "pull_request",
        "PYTHONPATH": ":".join(sys.path),
        "KILLED_BEFORE": "open_pull_request",
    }
    worker = [sys.executable, "-m", "tests.lambdas.orchestrator.worker", "0", "0", str(tmp_path / "stop")]
    assert subprocess.run(worker, env=environment, timeout=120, check=False).returncode == -signal.SIGKILL
    branch = world.own_branch(message)
    made = world.head(branch)
    assert pulls(world) == []

    assert world.work({**message, "delivery": "next"}, {**message, "delivery": "and-again"}) == []
    (pull,) = pulls(world)
    assert (pull.head, pull.base, world.head(branch)) == (branch, "main", made)
    assert (pull.title, ended(caplog)) == ("docs: update architecture.md", ["already", "already"])
    assert f"{TRAILER}: {message['after']}" in str(pull.body)


@pytest.mark.parametrize("first", ["push", "pull_request"])
def test_a_push_and_a_pull_request_of_one_commit_are_documented_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, first: str
) -> None:
    monkeypatch.setenv(contract.ENABLED_AGENTS, "historian")
    monkeypatch.setenv(contract.DOC_STRATEGY, "github_direct")
    message = world.push(CHANGE)
    both = [message, {**message, "delivery": "pr", "event": "pull_request", "action": "synchronize"}]
    assert world.work(*(both if first == "push" else reversed(both))) == []
    assert ended(caplog) == ["committed" if first == "push" else "pull_request", "already"]
    assert world.files()["docs/history.md"].count("## A valve") == (first == "push")
    assert len(pulls(world)) == (first != "push")


def test_one_commit_on_two_branches_gets_a_pull_request_to_each(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["release/1.0", "Release-1.0", "r" * 900]
    monkeypatch.setenv(contract.BRANCHES, ",".join(names))
    message = world.push(CHANGE)
    for name in names[:2]:
        point(world, name, message["after"])
    others = [{**message, "ref": f"refs/heads/{name}", "delivery": f"d{place}"} for place, name in enumerate(names)]
    assert world.work(message, *others) == []
    assert ended(caplog) == ["pull_request"] * 3 + ["gone"]
    assert [pull.base for pull in pulls(world)] == ["main", *names[:2]]
    heads = {pull.head.lower() for pull in pulls(world)}
    assert len(heads) == 3
    assert all(len(head) < 100 for head in heads)


@pytest.mark.parametrize("strategy", ["github_direct", "pull_request"])
@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_commit_that_was_forced_away_is_not_documented(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, meanwhile: bool, strategy: str
) -> None:
    monkeypatch.setenv(contract.DOC_STRATEGY, strategy)
    start = world.head()
    message = world.push(CHANGE)
    if meanwhile:
        read = RepositoryWriter.text
        monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector,historian")

        def text(self: RepositoryWriter, entry: Any) -> str | None:
            point(world, "main", start)
            return read(self, entry)

        monkeypatch.setattr(RepositoryWriter, "text", text)
    else:
        point(world, "main", start)
    assert world.work(message) == []
    assert ended(caplog) == ["gone"]
    assert pulls(world) == []
    assert world.head() == start


@pytest.mark.parametrize("how", ["closed", "merged", "merged and deleted"])
def test_a_pull_request_that_a_person_ended_stays_so(world: World, caplog: pytest.LogCaptureFixture, how: str) -> None:
    message = world.push(CHANGE)
    assert world.work(message) == []
    (pull,) = pulls(world)
    pull.state = "closed"
    if how != "closed":
        point(world, "main", world.head(pull.head))
    if how == "merged and deleted":
        world.github.repository(REPO).store.git.references.delete(f"refs/heads/{pull.head}")
    assert world.work({**message, "delivery": "again"}) == []
    assert ended(caplog) == ["pull_request", "already"]
    assert [(one.number, one.state) for one in pulls(world)] == [(pull.number, "closed")]
    assert ENTRY not in world.files().get("docs/history.md", "")
