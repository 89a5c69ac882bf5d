"""One stack through the real CLI: the first `up`, nothing to do, a code change, a rollback."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.engine.world import until

if TYPE_CHECKING:
    from tests.engine.story import Story


def test_the_first_up_makes_the_whole_stack(story: Story) -> None:
    assert {step.op for step in story.first_up.steps} == {"create"}
    published = json.loads(command_output(story))
    assert published["built"]
    assert published["uploaded"]
    assert published["digest"] == story.checkout.outputs("first")["layers"]["openai-pinecone"]["digest"]


def command_output(story: Story) -> str:
    """What the publishing command left in the state."""
    resources = story.checkout.state("first")["deployment"]["resources"]
    return next(one["outputs"]["stdout"] for one in resources if one["type"] == "command:local:Command")


def test_the_second_preview_shows_no_change(story: Story) -> None:
    assert story.deployed
    assert story.preview().ok().changed == {}


@pytest.mark.usefixtures("tracing")
def test_an_up_without_changes_builds_nothing_and_starts_no_docker(story: Story) -> None:
    assert story.deployed
    run = story.checkout.pulumi(
        "up", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "first", trace="execve"
    ).ok()
    assert run.changed == {}
    started = [call for call in run.calls if "execve(" in call and " = -1 " not in call]
    assert any("pulumi-language-python" in call for call in started), "the trace saw nothing"
    assert [call for call in started if "layer_builds" in call or "docker" in call] == []


def test_a_refresh_finds_what_was_deployed(story: Story) -> None:
    assert story.deployed
    story.checkout.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "--stack", "first").ok()


def test_secrets_are_set_from_stdin_and_every_function_answers_its_test_event(story: Story) -> None:
    assert story.with_secrets
    report = json.loads(story.ops("smoke", "--json").ok().stdout)
    assert report["ok"]


def test_a_message_becomes_a_vector(story: Story) -> None:
    assert story.with_secrets
    queue = story.function()["queue_url"]
    story.world.send(queue, {"id": "kettle", "text": "The kettle sings on the stove."})
    story.world.until_left(queue, 0)
    assert story.world.pinecone.store.counts() == {"": 1}


def test_a_code_change_touches_function_version_and_alias_only(story: Story) -> None:
    assert story.code_change.changed == {"embedding-function": {"update"}, "embedding-live": {"update"}}
    assert story.live()["Version"] == "2"
    assert story.preview().ok().changed == {}


def test_after_a_rollback_the_old_version_runs_and_the_next_preview_shows_no_change(story: Story) -> None:
    assert story.rolled_back
    assert story.live()["Version"] == "1"
    assert story.preview().ok().changed == {}


def test_after_a_rollback_an_up_leaves_the_alias_where_it_is(story: Story) -> None:
    assert story.rolled_back
    assert story.up("first", "--expect-no-changes").ok().changed == {}
    assert story.live()["Version"] == "1"


def test_at_no_moment_of_an_up_may_the_live_version_run_longer_than_its_queue_hides_a_message(story: Story) -> None:
    """Lowered or raised: one of the two had a window between queue and alias, whichever came first."""
    seen = story.slower_and_back.seen
    assert {900, 136} <= {timeout for timeout, _ in seen}, "nobody looked while both versions were live"
    assert {hidden for _, hidden in seen} == {5_400, 900}
    assert [(timeout, hidden) for timeout, hidden in seen if timeout > hidden] == []


def test_a_version_that_runs_longer_than_its_queue_hides_a_message_is_refused(story: Story) -> None:
    """One message was handled twice at once."""
    slow, newest, _ = story.slower_and_back
    sqs, queue = story.checkout.account.client("sqs"), story.function()["queue_url"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "816"})
    refused = story.ops("rollback", "embedding", "--to", slow).failed()
    assert "its timeout is 900 s, and its queue's visibility timeout 816 s" in refused.output
    assert story.live()["Version"] == newest
    assert story.preview().ok().changed == {}, "nothing was written"
    repaired = story.up("first", "--refresh").ok().changed
    assert {name for name, operations in repaired.items() if "update" in operations} == {"embedding-queue"}
    story.ops("rollback", "embedding", "--to", slow).ok()
    story.ops("rollback", "embedding", "--to", "latest").ok()
    assert story.live()["Version"] == newest


def test_traffic_never_meets_a_version_that_cannot_be_imported(story: Story) -> None:
    """A new version was live before it had been called."""
    newest = story.slower_and_back.newest
    source = story.checkout.path / "lambdas" / "embedding" / "handler.py"
    good = source.read_text()
    source.write_text(f"{good}\nimport no_such_module\n")
    broken = story.ops("deploy").failed()
    assert "no_such_module" in broken.output
    assert "Traffic stays where it was" in broken.output
    assert story.live()["Version"] == newest
    queue = story.function()["queue_url"]
    story.world.send(queue, {"id": "meanwhile", "text": "The old version takes it."})
    story.world.until_left(queue, 0)
    source.write_text(good)
    assert json.loads(story.ops("deploy", "--json").ok().stdout)["moved"]["embedding"]["from"] == newest
    assert story.preview().ok().changed == {}


def test_a_rollback_while_an_update_runs_is_refused_and_works_afterwards(story: Story) -> None:
    """It reported one version and wrote it; the update then moved the alias to another."""
    _ = story.slower_and_back
    newest = story.live()["Version"]
    locks = story.checkout.backend / ".pulumi" / "locks" / "organization" / "strata" / "first"
    update = threading.Thread(target=lambda: story.up("first", "--refresh"))
    update.start()
    try:
        until(lambda: any(locks.glob("*.json")), "the update takes no lock")
        refused = story.ops("rollback", "embedding", "--to", "2").failed()
        assert "an update of stack first is running, by " in refused.output
        assert update.is_alive(), "the update ended before rollback had looked"
    finally:
        update.join()
    assert story.live()["Version"] == newest
    story.ops("rollback", "embedding", "--to", "2").ok()
    assert story.live()["Version"] == "2"
    assert story.preview().ok().changed == {}


def test_a_live_version_that_does_not_exist_is_found_by_doctor(story: Story) -> None:
    """99 previewed green."""
    _ = story.slower_and_back
    path = "strata:embedding.live_version"
    story.checkout.pulumi("config", "set", "--path", path, "99", "--stack", "first").ok()
    found = json.loads(story.ops("doctor", "--only", "pinned-versions", "--json").failed().stdout)
    [pinned] = [one for one in found["checks"] if one["check"] == "live_version of embedding"]
    assert (pinned["state"], "live_version is 99, which does not exist" in pinned["found"]) == ("fail", True)
    story.checkout.pulumi("config", "rm", "--path", path, "--stack", "first").ok()
