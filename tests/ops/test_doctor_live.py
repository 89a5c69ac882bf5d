"""doctor on what is deployed: live versions, code that nobody published, artifacts, alarms, the account."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops.doctor.live import (
    check_account,
    check_alarms,
    check_artifacts,
    check_code,
    check_live_versions,
    check_names,
    check_pinned_versions,
)
from ops.doctor.patient import Patient
from tests.ops.archives import archive

if TYPE_CHECKING:
    from ops.doctor.patient import Check, Finding
    from ops.stack import Stack
    from tests.ops.conftest import Deployed


def found(check: Check, stack: Stack | None, config: dict[str, Any] | None = None) -> list[Finding]:
    """What one check finds."""
    plan = {"functions": [], "resources": [], "error": None}
    return list(check(Patient("test", Path(), config or {}, plan, stack, account=stack)))


def states(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.state) for finding in findings]


def test_a_live_version_that_fits_is_well(deployed: Deployed) -> None:
    assert states(found(check_live_versions, deployed.stack)) == [("live version of embedding", "ok")]


def test_a_live_version_that_does_not_fit_is_a_failure(deployed: Deployed) -> None:
    client, name = deployed.client("lambda"), deployed.function["name"]
    client.update_function_configuration(FunctionName=name, Timeout=300)
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    [finding] = found(check_live_versions, deployed.stack)
    assert (finding.state, "visibility timeout" in finding.found) == ("fail", True)


@pytest.mark.parametrize("place", ["alias", "config"])
def test_a_live_version_that_does_not_exist_is_a_failure(deployed: Deployed, place: str) -> None:
    config: dict[str, Any] = {"strata:embedding": {"live_version": 99}}
    check = check_pinned_versions
    if place == "alias":
        client = deployed.client("lambda")
        client.update_alias(FunctionName=deployed.function["name"], Name="live", FunctionVersion="99")
        check = check_live_versions
    [finding] = found(check, deployed.stack, config)
    assert finding.state == "fail"
    assert "99, which does not exist; the newest are 1" in finding.found
    assert "--to latest" in finding.remedy


@pytest.mark.parametrize("section", [{"live_version": 1}, {"live_version": None}, {}, None])
def test_a_pin_to_a_version_that_exists_and_none_at_all_are_well(deployed: Deployed, section: object) -> None:
    assert found(check_pinned_versions, deployed.stack, {"strata:embedding": section, "aws:region": "x"}) == []


def test_a_new_stack_has_no_version_to_be_live() -> None:
    [finding] = found(check_pinned_versions, None, {"strata:embedding": {"live_version": 1}, "aws:region": "x"})
    assert (finding.state, "the function is not deployed" in finding.found) == ("fail", True)


@pytest.mark.parametrize("edit", ["code", "configuration"])
def test_code_that_was_edited_in_the_console_is_a_warning(deployed: Deployed, edit: str) -> None:
    client, name = deployed.client("lambda"), deployed.function["name"]
    if edit == "code":
        client.update_function_code(FunctionName=name, ZipFile=archive("def handler(event, context): ..."))
    else:
        client.update_function_configuration(FunctionName=name, MemorySize=256)
    [finding] = found(check_code, deployed.stack)
    assert (finding.check, finding.state) == ("code of embedding", "warn")
    assert "not what was published last, version 1: it was edited outside Pulumi" in finding.found


def test_code_that_somebody_published_in_the_console_is_a_warning(deployed: Deployed) -> None:
    """Then `$LATEST` is what was published last, and was not published from the repository."""
    assert found(check_code, deployed.stack) == []
    deployed.publish_by_hand("edited")
    edited, published = sorted(finding.found for finding in found(check_code, deployed.stack))
    assert "$LATEST is not what was published last, version 1" in edited
    assert published == "version 2 was published outside Pulumi, after version 1"


def test_a_stack_that_was_renamed_after_it_was_deployed_is_a_warning(deployed: Deployed) -> None:
    [finding] = found(check_names, deployed.stack)
    assert (finding.state, "does not begin with strata-test-" in finding.found) == ("warn", True)
    deployed.function["name"] = "strata-test-embedding-function-1a2b3c"
    assert found(check_names, deployed.stack) == []


def test_a_lost_artifact_is_a_warning_with_the_command_that_uploads_it(deployed: Deployed) -> None:
    s3, bucket = deployed.client("s3"), deployed.outputs["artifact_bucket"]
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": deployed.account.region})
    layer = deployed.outputs["layers"]["openai-pinecone"]
    layer |= {"bucket": bucket, "key": "layers/openai-pinecone/0.zip", "name": f"{layer['name']}-py313-arm64"}
    [finding] = found(check_artifacts, deployed.stack)
    assert finding.state == "warn"
    assert "publish openai-pinecone --runtime python3.13 --architecture arm64 --bucket " in finding.remedy
    config = {"strata:layers": {"compiler": "running"}, "aws:profile": "team"}
    [finding] = found(check_artifacts, deployed.stack, config)
    assert finding.remedy.endswith(" --profile team --compiler running`"), "else it would build another digest"
    s3.put_object(Bucket=bucket, Key=layer["key"], Body=b"zip")
    assert states(found(check_artifacts, deployed.stack)) == [(f"artifact of {layer['name']}", "ok")]


def test_alarms_that_notify_nobody_are_a_warning(deployed: Deployed) -> None:
    assert found(check_alarms, deployed.stack)[0].state == "warn"


def test_a_topic_that_does_not_exist_is_a_failure(deployed: Deployed) -> None:
    """CloudWatch takes an alarm that notifies it, and doctor said that all was well."""
    client = deployed.client("sns")
    topic = client.create_topic(Name="alarms")["TopicArn"]
    config = {"strata:observability": {"alarm_topic_arn": topic}}
    assert states(found(check_alarms, deployed.stack, config)) == [("alarms", "ok")]
    client.delete_topic(TopicArn=topic)
    [finding] = found(check_alarms, deployed.stack, config)
    assert (finding.state, "does not exist: an alarm notifies nobody" in finding.found) == ("fail", True)


@pytest.mark.parametrize(
    ("allowed", "state"), [(None, "warn"), ([], "warn"), (["999999999999"], "fail"), (["mine"], "ok")]
)
def test_the_account_that_the_config_allows(deployed: Deployed, allowed: list[str] | None, state: str) -> None:
    accounts = [deployed.account.account if one == "mine" else one for one in allowed or ()]
    # The second is what `pulumi config set` writes without --path; doctor took it for no list at all.
    for value in (accounts, json.dumps(accounts)):
        config = {"aws:allowedAccountIds": value} if allowed is not None else {}
        [finding] = found(check_account, deployed.stack, config)
        assert finding.state == state
        assert replace(finding, remedy="") != finding or state == "ok"
