"""A push, all the way: agents in their own processes, what they propose judged, one commit; and what goes wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from coderipple.changes import AUTHOR, TRAILER
from coderipple.repository import RepositoryWriter
from lambdas.orchestrator import contract
from tests.lambdas.orchestrator.conftest import (
    CHANGE,
    FILES,
    GITHUB_TOKEN,
    MODEL_KEY,
    REPO,
    SECRET,
    World,
    logged,
    results,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.standins.openai.moods import Mood


@pytest.fixture(autouse=True)
def _logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


@pytest.fixture
def one_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(contract.ENABLED_AGENTS, "building_inspector")


def test_a_push_ends_as_one_commit_with_what_three_agents_wrote(world: World, caplog: pytest.LogCaptureFixture) -> None:
    message = world.push(CHANGE)
    assert world.work(message) == []
    (result,) = results(caplog)
    assert result["outcome"] == "committed", json.dumps(result, indent=1)
    assert result["reference"] == world.head()
    assert {document["path"] for document in result["documents"]} == {
        "README.md",
        "docs/architecture.md",
        "docs/history.md",
    }
    assert {one["agent"] for one in result["agents"]} == {"tourist_guide", "building_inspector", "historian"}
    files = world.files()
    assert "cool" in files["README.md"]
    assert "cool" in files["docs/architecture.md"]
    assert files["docs/history.md"].startswith(FILES["docs/history.md"].rstrip())
    assert len(files["docs/history.md"]) > len(FILES["docs/history.md"])
    assert files["src/kettle.py"] == CHANGE["src/kettle.py"]
    newest, pushed, _ = world.messages()
    assert f"{TRAILER}: {message['after']}" in newest
    assert pushed.strip() == "feat: cool water"
    commit = world.github.repository(REPO).store.git[world.head()]
    assert (commit.author.name, commit.author.email) == (AUTHOR["name"], AUTHOR["email"])
    assert not any(secret in logged(caplog) for secret in (GITHUB_TOKEN, MODEL_KEY, SECRET, "Heat water"))

    # Its own push is nothing to document, and the same push again is done already.
    own = {**message, "delivery": "own", "before": message["after"], "after": world.head()}
    assert world.work(own, message, {**message, "delivery": "again"}) == []
    outcomes = [(one["outcome"], one["reason"]) for one in results(caplog)[1:]]
    assert outcomes == [("ignored", "nothing to document"), ("committed", ""), ("already", "")]
    assert len(world.messages()) == 3


def test_a_pull_request_gets_one_of_its_own(world: World, one_agent: None, caplog: pytest.LogCaptureFixture) -> None:
    world.push({"notes.txt": "x"}, branch="feature")
    message = {**world.push(CHANGE, branch="feature"), "event": "pull_request", "action": "synchronize"}
    head = world.head("feature")
    assert world.work(message, {**message, "delivery": "again"}) == []
    first, second = results(caplog)
    assert (first["outcome"], second["outcome"]) == ("pull_request", "already")
    assert first["reference"] == second["reference"]
    assert world.head("feature") == head
    assert "cool" in world.files(world.own_branch(message))["docs/architecture.md"]


@pytest.mark.parametrize(
    ("mood", "outcome"),
    [
        ("nonsense", "no_proposal"),
        ("empty", "no_proposal"),
        ("forbidden_path", "forbidden"),
        ("endless", "too_many_turns"),
        ("broken_call", "too_many_turns"),
    ],
)
def test_a_model_that_is_of_no_use_ends_the_run_with_its_outcome(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, mood: Mood, outcome: str
) -> None:
    message = world.push(CHANGE)
    world.model.moods.always(mood)
    assert world.work(message) == []
    (result,) = results(caplog)
    assert [one["outcome"] for one in result["agents"]] == [outcome]
    assert result["documentation_updated"] is False
    assert world.head() == message["after"]


def test_a_model_that_stalls_is_given_up_and_the_message_comes_again(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(contract.MODEL_TIMEOUT, "6")
    message = world.push(CHANGE)
    world.model.moods.script("stall")
    assert world.work(message) == ["0"]
    assert "model_timeout" in logged(caplog)
    assert world.work(message, received=2) == []
    assert results(caplog)[-1]["outcome"] == "committed"


def test_a_model_that_refuses_its_key_is_no_lost_push(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.push(CHANGE)
    client = world.account.client("secretsmanager")
    arn = world.environment["OPENAI_API_KEY_SECRET_ARN"]
    client.put_secret_value(SecretId=arn, SecretString="sk-wrong")
    assert world.work(message, received=contract.AGENT_TRIES) == ["0"]  # all agents failed: to the dead-letter queue
    assert "model_refused" in logged(caplog)
    assert "sk-wrong" not in logged(caplog)
    client.put_secret_value(SecretId=arn, SecretString=MODEL_KEY)
    assert world.work(message) == []
    assert results(caplog)[-1]["outcome"] == "committed"


def test_what_two_agents_proposed_is_kept_while_the_third_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.push(CHANGE)
    monkeypatch.setenv(contract.MODEL_TIMEOUT, "6")
    world.model.moods.script("stall")  # whichever agent asks first
    assert world.work(message) == ["0"]
    assert world.head() == message["after"]
    asked = len(world.model.log.entries())
    assert world.work(message, received=2) == []
    assert len(world.model.log.entries()) - asked < asked
    (result,) = results(caplog)
    assert len(result["documents"]) == 3
    assert world.files()["docs/history.md"].count("## ") == 1


def test_an_agent_that_never_ends_well_is_reported_and_the_others_are_published(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(contract.MODEL_TIMEOUT, "6")
    message = world.push(CHANGE)
    world.model.moods.script("stall")
    assert world.work(message, received=contract.AGENT_TRIES) == []
    (result,) = results(caplog)
    outcomes = sorted(one["outcome"] for one in result["agents"])
    assert outcomes == ["model_timeout", "proposed", "proposed"]
    assert len(result["documents"]) == 2
    assert result["outcome"] == "committed"


def test_a_run_stops_at_its_token_budget(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(contract.RUN_TOKENS, "1000")
    world.model.moods.always("endless")
    assert world.work(world.push(CHANGE)) == []
    (result,) = results(caplog)
    assert [one["outcome"] for one in result["agents"]] == ["token_budget"]
    assert 1000 <= sum(result["tokens"].values()) < 5000


def test_a_branch_that_moves_is_committed_to_where_it_is(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.push(CHANGE)
    _before(monkeypatch, "advance", lambda: world.push({"src/other.py": "x = 1\n"}, "feat: other"), times=2)
    assert world.work(message) == []
    assert results(caplog)[-1]["outcome"] == "committed"
    files = world.files()
    assert "src/other.py" in files
    assert "cool" in files["docs/architecture.md"]


def test_a_document_that_was_changed_meanwhile_is_looked_at_again(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.push(CHANGE)
    words = "# Architecture\n\nSomebody wrote this meanwhile, and it must not be lost by what comes now.\n"
    _before(monkeypatch, "advance", lambda: world.push({"docs/architecture.md": words}, "docs: mine"), times=1)
    assert world.work(message) == []
    assert results(caplog)[-1]["outcome"] == "committed"
    text = world.files()["docs/architecture.md"]
    assert "Somebody wrote this meanwhile" in text
    assert "cool" in text


def test_a_branch_that_never_stands_still_is_left_for_later(
    world: World, one_agent: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    message = world.push(CHANGE)
    numbers = iter(range(100))

    def push() -> None:
        world.push({"src/other.py": f"x = {next(numbers)}\n"}, "feat: other")

    _before(monkeypatch, "advance", push, times=99)
    assert world.work(message) == ["0"]
    assert "moved while it was committed to" in logged(caplog)


def test_more_runs_than_a_day_may_have_are_reported_and_not_run(
    world: World, one_agent: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(contract.DAILY_RUNS, "1")
    world.model.moods.always("empty")
    first = world.push(CHANGE)
    second = world.push({"src/more.py": "x = 1\n"})
    assert world.work(first, second, {**first, "delivery": "again"}) == []
    assert [one["outcome"] for one in results(caplog)] == ["nothing", "over_limit", "nothing"]


def test_a_direct_call_is_answered_when_the_work_is_done(world: World, one_agent: None) -> None:
    message = world.push(CHANGE)
    repository = {"id": 1, "name": "kettle", "full_name": REPO, "default_branch": "main"}
    payload = {**{part: message[part] for part in ("ref", "before", "after")}, "repository": repository, "commits": []}
    answer = world.send({"body": json.dumps(payload)})
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["message"]) == (200, "Webhook processed successfully")
    assert (body["repository"], body["agents_invoked"]) == ("kettle", ["building_inspector"])
    assert (body["documentation_updated"], body["ai_powered"]) == (True, True)
    assert (body["processing_time"] > 0, body["architecture"]) == (True, "single-lambda-with-layers")
    ignored = [world.send(event) for event in ({"zen": "of an organisation"}, {**payload, "ref": "refs/tags/v1"})]
    assert [(one["statusCode"], json.loads(one["body"])["reason"]) for one in ignored] == [(202, "ping"), (202, "tag")]
    assert world.send({"body": "{"})["statusCode"] == 400


def _before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], Any], times: int) -> None:
    """Let something happen right before a request of the publisher's, so often."""
    real = getattr(RepositoryWriter, name)
    left = [times]

    def acted(self: RepositoryWriter, *arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            act()
        return real(self, *arguments)

    monkeypatch.setattr(RepositoryWriter, name, acted)
