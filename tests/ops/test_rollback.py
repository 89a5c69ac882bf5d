"""rollback: the alias moves, and the config says so, or nothing happens at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ops.errors import OpsError, UsageError
from ops.rollback import rollback

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ops.conftest import Deployed


def at_three(deployed: Deployed) -> Deployed:
    """Versions 1, 2 and 3, with the alias at 3."""
    for text in ("two", "three"):
        version = deployed.publish(text)
    deployed.client("lambda").update_alias(FunctionName=deployed.function["name"], Name="live", FunctionVersion=version)
    return deployed


def test_without_a_version_it_goes_to_the_one_before_and_writes_it_down(deployed: Deployed) -> None:
    at_three(deployed)
    before = deployed.config_file.read_text()
    report = rollback(deployed.stack, "embedding")
    assert (report.data["from"], report.data["to"]) == ("3", "2")
    assert deployed.alias() == "2"
    after = deployed.config_file.read_text()
    assert after.replace("    live_version: 2\n", "") == before, "one line more, and every comment kept"


def test_latest_takes_the_line_out_again(deployed: Deployed) -> None:
    at_three(deployed)
    before = deployed.config_file.read_text()
    rollback(deployed.stack, "embedding", to="1")
    assert deployed.alias() == "1"
    report = rollback(deployed.stack, "embedding", to="latest")
    assert deployed.alias() == "3"
    assert deployed.config_file.read_text() == before
    assert report.data["config_changed"] is True


def test_a_second_rollback_replaces_the_line(deployed: Deployed) -> None:
    at_three(deployed)
    rollback(deployed.stack, "embedding", to="2")
    rollback(deployed.stack, "embedding", to="1")
    assert deployed.config_file.read_text().count("live_version") == 1
    assert "live_version: 1" in deployed.config_file.read_text()


def test_the_version_that_the_alias_is_at_is_only_written_down(deployed: Deployed) -> None:
    report = rollback(deployed.stack, "embedding", to="1")
    assert report.data["moved"] is False
    assert report.data["config_changed"] is True


def test_a_dry_run_changes_neither(deployed: Deployed) -> None:
    at_three(deployed)
    before = deployed.config_file.read_text()
    report = rollback(deployed.stack, "embedding", dry_run=True)
    assert report.data["to"] == "2"
    assert (deployed.alias(), deployed.config_file.read_text()) == ("3", before)


@pytest.mark.parametrize("version", ["7", "0", "$LATEST", "one", "-1"])
def test_a_version_that_does_not_exist_is_refused_with_those_that_do(deployed: Deployed, version: str) -> None:
    at_three(deployed)
    with pytest.raises(UsageError, match="the newest are: 1, 2, 3"):
        rollback(deployed.stack, "embedding", to=version)
    assert deployed.alias() == "3"


def test_before_the_first_version_there_is_nothing_to_go_back_to(deployed: Deployed) -> None:
    with pytest.raises(OpsError, match="no older one is left"):
        rollback(deployed.stack, "embedding")


def test_a_config_that_cannot_be_edited_stops_it_before_the_alias_moves(deployed: Deployed) -> None:
    at_three(deployed)
    deployed.config_file.write_text("config: {'strata:embedding': {memory_mb: 512}}\n")
    with pytest.raises(OpsError, match="write `live_version: 2` into `strata:embedding`"):
        rollback(deployed.stack, "embedding")
    assert deployed.alias() == "3"


def test_a_config_file_that_cannot_be_written_says_what_to_write(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_three(deployed)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OpsError, match=r"(?s)is at version 2 now.*No space left.*write `live_version: 2`"):
        rollback(deployed.stack, "embedding")
    assert deployed.alias() == "2"


def test_the_weights_of_a_canary_are_taken_off(deployed: Deployed) -> None:
    at_three(deployed)
    client = deployed.client("lambda")
    client.update_alias(
        FunctionName=deployed.function["name"],
        Name="live",
        RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}},
    )
    rollback(deployed.stack, "embedding", to="2")
    alias = client.get_alias(FunctionName=deployed.function["name"], Name="live")
    assert not alias.get("RoutingConfig", {}).get("AdditionalVersionWeights")


def test_the_local_cloud_has_no_config_to_write(deployed: Deployed) -> None:
    at_three(deployed)
    report = rollback(replace(deployed.stack, config_file=None), "embedding")
    assert deployed.alias() == "2"
    assert report.data["config_file"] is None


def pulumi_that(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the CLI that notes how it was called."""
    calls = folder / "calls"
    tool = folder / "bin" / "pulumi"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
    return calls


def test_pulumis_state_follows_by_a_refresh_of_the_alias_alone(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next preview shows a change that has been made already: found by the engine tests."""
    at_three(deployed)
    calls = pulumi_that("exit 0", tmp_path, monkeypatch)
    rollback(replace(deployed.stack, project=tmp_path), "embedding", dry_run=True)
    assert not calls.exists()
    rollback(replace(deployed.stack, project=tmp_path), "embedding")
    assert calls.read_text() == (
        "refresh --yes --skip-preview --stack test --target **::embedding-live --non-interactive\n"
    )


def test_pulumis_state_follows_for_a_function_of_two_words(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its resources are in kebab case: the refresh looked for extract_text-live, found nothing and said nothing."""
    at_three(deployed)
    deployed.outputs["functions"]["extract_text"] = deployed.outputs["functions"].pop("embedding")
    deployed.config_file.write_text(deployed.config_file.read_text().replace("embedding", "extract_text"))
    calls = pulumi_that("exit 0", tmp_path, monkeypatch)
    rollback(replace(deployed.stack, project=tmp_path), "extract_text")
    assert "--target **::extract-text-live " in calls.read_text()


def test_a_state_that_cannot_follow_is_said_with_what_is_true_and_what_to_run(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_three(deployed)
    pulumi_that("echo 'the state is locked' >&2; exit 255", tmp_path, monkeypatch)
    with pytest.raises(OpsError, match=r"(?s)is at version 2 now.*`pulumi refresh --stack test`.*the state is locked"):
        rollback(replace(deployed.stack, project=tmp_path), "embedding")
    assert deployed.alias() == "2"
    assert "live_version: 2" in deployed.config_file.read_text()
