"""rollback: the alias moves, and the config says so, or nothing happens at all."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ops.errors import OpsError, UsageError
from ops.rollback import rollback
from ops.stack_lock import running_updates
from tests.ops.archives import archive

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


def broken(deployed: Deployed) -> str:
    """A version that cannot be imported: a deployment published it, and traffic never met it."""
    client, name = deployed.client("lambda"), deployed.function["name"]
    client.update_function_code(FunctionName=name, ZipFile=archive("import no_such_module"))
    return str(client.publish_version(FunctionName=name)["Version"])


def test_previous_passes_over_a_version_that_was_refused_when_it_was_deployed(deployed: Deployed) -> None:
    """Traffic went to the version below, which had failed its test and had never been live."""
    bad, good = broken(deployed), deployed.publish("three")
    deployed.client("lambda").update_alias(FunctionName=deployed.function["name"], Name="live", FunctionVersion=good)
    report = rollback(deployed.stack, "embedding")
    assert (report.data["from"], report.data["to"], deployed.alias()) == (good, "1", "1")
    assert f"version {bad} was passed over: it fails its test event: " in report.notes[-1]


def test_a_version_that_fails_its_test_event_is_refused_unless_nobody_is_to_call_it(deployed: Deployed) -> None:
    bad = broken(deployed)
    for dry_run in (True, False):
        with pytest.raises(OpsError, match=rf"version {bad} .*fails its test event: .*no_such_module.*--untested"):
            rollback(deployed.stack, "embedding", to=bad, dry_run=dry_run)
    assert (deployed.alias(), "live_version" in deployed.config_file.read_text()) == ("1", False)
    rollback(deployed.stack, "embedding", to=bad, untested=True)
    assert deployed.alias() == bad


def test_when_no_older_version_works_traffic_stays_and_each_reason_is_said(deployed: Deployed) -> None:
    client, name = deployed.client("lambda"), deployed.function["name"]
    bad, good = broken(deployed), deployed.publish("three")
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=good)
    client.delete_function(FunctionName=name, Qualifier="1")
    with pytest.raises(OpsError, match=rf"no older one works: version {bad} was passed over: .*no_such_module"):
        rollback(deployed.stack, "embedding")
    assert deployed.alias() == good


def test_previous_in_a_canary_ends_it(deployed: Deployed) -> None:
    """The version that has the main share is the good one: traffic went to the one below."""
    at_three(deployed)
    client, name = deployed.client("lambda"), deployed.function["name"]
    weights = {"AdditionalVersionWeights": {deployed.publish("four"): 0.1}}
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="3", RoutingConfig=weights)
    report = rollback(deployed.stack, "embedding")
    alias = client.get_alias(FunctionName=name, Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == ("3", None)
    assert "the canary has ended: version 4 with 10 % of the traffic before" in report.notes
    assert "live_version: 3" in deployed.config_file.read_text(), "else the next update gives version 4 everything"


def test_latest_takes_the_line_out_again(deployed: Deployed) -> None:
    at_three(deployed)
    before = deployed.config_file.read_text()
    rollback(deployed.stack, "embedding", to="1")
    assert deployed.alias() == "1"
    report = rollback(deployed.stack, "embedding", to="latest")
    assert deployed.alias() == "3"
    assert deployed.config_file.read_text() == before
    assert report.data["config_changed"] is True


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


@pytest.mark.parametrize(
    "version", ["7", "0", "$LATEST", "one", "-1", "²", "2.0", "", "9" * 5_000], ids=lambda text: text[:9]
)
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
    deployed.config_file.write_text("config: {'strata:other': {memory_mb: 512}}\n")
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
    """A stand-in for the CLI that notes what it is to do. Its backend is a folder, `backend`."""
    calls = folder / "calls"
    tool = folder / "bin" / "pulumi"
    tool.parent.mkdir()
    (folder / "Pulumi.yaml").write_text("name: strata\n")
    whoami = f'[ "$1" = whoami ] && echo \'{{"url": "file://{folder}/backend"}}\' && exit 0'
    tool.write_text(f'#!/bin/sh\n{whoami}\necho "$@" >> {calls}\n{script}\n')
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


def locked(folder: Path) -> Path:
    """Somebody's lock on the stack `test`, as the CLI writes it."""
    lock = folder / "backend" / ".pulumi" / "locks" / "organization" / "strata" / "test" / "1f.json"
    lock.parent.mkdir(parents=True)
    lock.write_text('{"pid":7,"username":"ci","hostname":"runner","timestamp":"2026-11-28T08:00:00Z"}')
    return lock


def test_while_an_update_runs_nothing_moves_unless_it_is_forced(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reported version 7 and wrote it; the `up` then moved the alias to 9."""
    at_three(deployed)
    stack = replace(deployed.stack, project=tmp_path)
    pulumi_that("exit 0", tmp_path, monkeypatch)
    lock = locked(tmp_path)
    with pytest.raises(OpsError, match=r"ci@runner \(pid 7\), since 2026.*`pulumi cancel --stack test`.*--force"):
        rollback(stack, "embedding")
    assert deployed.alias() == "3"
    assert rollback(stack, "embedding", dry_run=True).data["remarks"]
    assert "may move the alias again" in rollback(stack, "embedding", force=True).notes[-1]
    assert deployed.alias() == "2"
    lock.unlink()
    assert rollback(stack, "embedding").ok


def test_a_lock_in_a_bucket_is_seen(deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = deployed.client("s3")
    s3.create_bucket(Bucket="locks", CreateBucketConfiguration={"LocationConstraint": deployed.account.region})
    pulumi_that("exit 0", tmp_path, monkeypatch)
    backend = f"s3://locks/below?region={deployed.account.region}&endpoint={deployed.account.endpoint}"
    tool = tmp_path / "bin" / "pulumi"
    tool.write_text(tool.read_text().replace(f"file://{tmp_path}/backend", backend))
    for name, value in deployed.account.environment().items():
        monkeypatch.setenv(name, value)
    assert running_updates("test", tmp_path) == []
    key = "below/.pulumi/locks/organization/strata/test/1f.json"
    s3.put_object(Bucket="locks", Key=key, Body=b'{"pid":7,"username":"ci","hostname":"runner"}')
    s3.put_object(Bucket="locks", Key=key.replace("test/", "test2/"), Body=b"{}")
    assert running_updates("organization/strata/test", tmp_path) == [
        "ci@runner (pid 7), since a time that the lock does not say"
    ]


def test_a_lock_that_cannot_be_looked_at_is_said_and_does_not_stop_it(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_three(deployed)
    pulumi_that("exit 0", tmp_path, monkeypatch)
    tool = tmp_path / "bin" / "pulumi"
    tool.write_text(tool.read_text().replace(f"file://{tmp_path}/", "gs://states/"))
    report = rollback(replace(deployed.stack, project=tmp_path), "embedding")
    assert deployed.alias() == "2"
    assert "is not known: the backend is gs://" in report.notes[-1]


def test_an_update_that_ended_meanwhile_is_noticed(
    deployed: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_three(deployed)
    account, name = deployed.account, deployed.function["name"]
    variables = " ".join(f"{key}={value}" for key, value in account.environment().items())
    program = f"import boto3; boto3.client('lambda', endpoint_url='{account.endpoint}')"
    move = f"{program}.update_alias(FunctionName='{name}', Name='live', FunctionVersion='3')"
    pulumi_that(f'{variables} {sys.executable} -c "{move}"', tmp_path, monkeypatch)
    with pytest.raises(OpsError, match=r"moved to version 2, and is at 3 again: .* run rollback once more"):
        rollback(replace(deployed.stack, project=tmp_path), "embedding")


def test_a_rollback_to_where_the_alias_is_ends_a_canary(deployed: Deployed) -> None:
    client, name = deployed.client("lambda"), deployed.function["name"]
    version = deployed.publish("two")
    weights = {"AdditionalVersionWeights": {version: 0.1}}
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=weights)
    rollback(deployed.stack, "embedding", to="1")
    assert not client.get_alias(FunctionName=name, Name="live").get("RoutingConfig", {}).get("AdditionalVersionWeights")


def publish(deployed: Deployed, **configuration: Any) -> str:
    """A version with another configuration; the alias stays."""
    client, name = deployed.client("lambda"), deployed.function["name"]
    client.update_function_configuration(FunctionName=name, **configuration)
    return str(client.publish_version(FunctionName=name)["Version"])


def test_a_version_that_runs_longer_than_its_queue_hides_a_message_is_refused(deployed: Deployed) -> None:
    """One message was handled twice at once."""
    slow = publish(deployed, Timeout=300)
    quick = publish(deployed, Timeout=25)
    deployed.publish()
    rollback(deployed.stack, "embedding", to="latest")
    with pytest.raises(
        OpsError, match=rf"timeout is 300 s, .* timeout 30 s.*`pulumi up --refresh`.*that fit: 1, {quick}$"
    ):
        rollback(deployed.stack, "embedding", to=slow)
    assert deployed.alias() == "4"
    assert "live_version" not in deployed.config_file.read_text()
    deployed.client("sqs").set_queue_attributes(
        QueueUrl=deployed.function["queue_url"], Attributes={"VisibilityTimeout": "300"}
    )
    report = rollback(deployed.stack, "embedding", to=slow)
    assert report.data["remarks"] == ["version 2 has timeout 300 s, not 25"]


def test_a_version_whose_secret_the_role_may_no_longer_read_is_refused(deployed: Deployed) -> None:
    today = deployed.function["secrets"]["OPENAI_API_KEY"]
    former = publish(deployed, Environment={"Variables": {"OPENAI_API_KEY_SECRET_ARN": "arn:former", "PLAIN": "x"}})
    fits = publish(deployed, Environment={"Variables": {"OPENAI_API_KEY_SECRET_ARN": today}})
    with pytest.raises(OpsError, match=f"reads OPENAI_API_KEY from arn:former, .*that fit: {fits}$"):
        rollback(deployed.stack, "embedding", to=former)
    assert rollback(deployed.stack, "embedding", to=fits).ok


def test_which_variables_say_where_secrets_are_is_the_programs_word(deployed: Deployed) -> None:
    """By the ends of their names, one of another name was missed, and an extra variable refused every deployment."""
    function = deployed.function
    function["secrets"]["SUPABASE_CONFIG"] = "/today"
    names = {name: [f"{name}_SECRET_ARN", f"{name}_PARAMETER"] for name in function["secrets"]}
    function["secret_variables"] = {**names, "SUPABASE_CONFIG": ["SSM_PARAMETER_NAME"]}
    gone = publish(deployed, Environment={"Variables": {"SSM_PARAMETER_NAME": "/former/gone"}})
    with pytest.raises(OpsError, match="reads SUPABASE_CONFIG from /former/gone"):
        rollback(deployed.stack, "embedding", to=gone)
    fits = publish(deployed, Environment={"Variables": {"SSM_PARAMETER_NAME": "/today", "TUNING_PARAMETER": "5"}})
    assert rollback(deployed.stack, "embedding", to=fits).ok


def test_a_secret_that_the_program_does_not_declare_any_more_is_known_by_its_arn(deployed: Deployed) -> None:
    given = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:former-AbCdEf"
    former = publish(deployed, Environment={"Variables": {"FORMER_KEY_SECRET_ARN": given}})
    deployed.function["published"] = publish(deployed, Environment={"Variables": {"PLAIN": "x"}})
    with pytest.raises(OpsError, match=f"reads FORMER_KEY_SECRET_ARN from {given}"):
        rollback(deployed.stack, "embedding", to=former)
    # Today's program sets it as well, and knows why.
    deployed.function["published"] = publish(
        deployed, Environment={"Variables": {"FORMER_KEY_SECRET_ARN": given, "PLAIN": "y"}}
    )
    assert rollback(deployed.stack, "embedding", to=former).ok


def test_a_version_that_its_api_would_cut_off_is_told(deployed: Deployed) -> None:
    """The API waits for as long as today's version may run."""
    slow = publish(deployed, Timeout=29)
    deployed.function["published"] = publish(deployed, Timeout=10)
    words = "its timeout is 29 s, and the API in front of it answers 503 after 10 s"
    assert not any(words in remark for remark in rollback(deployed.stack, "embedding", to=slow).notes)
    deployed.function["api_id"] = "a1b2"
    rollback(deployed.stack, "embedding", to="1")
    assert any(words in remark for remark in rollback(deployed.stack, "embedding", to=slow).notes)


def test_a_layer_that_is_gone_is_only_told(deployed: Deployed) -> None:
    arn = deployed.layer()
    version = publish(deployed, Layers=[arn])
    name, number = arn.split(":")[-2:]
    deployed.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(number))
    remarks = rollback(deployed.stack, "embedding", to=version).data["remarks"]
    assert f"its layer {arn} is deleted; the version keeps its copy" in remarks  # type: ignore[operator]
