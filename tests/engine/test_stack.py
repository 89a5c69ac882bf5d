"""One stack through the real CLI: the first `up`, nothing to do, a code change, a rollback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

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
