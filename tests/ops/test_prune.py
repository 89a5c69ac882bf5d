"""prune: old layer versions go, used ones never."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from ops.prune import prune
from tests.ops.archives import archive
from tests.ops.refusing import FORBIDDEN, THROTTLED, Refusing

if TYPE_CHECKING:
    from ops.report import Report
    from tests.ops.conftest import Deployed


def layer_versions(deployed: Deployed) -> list[int]:
    name = deployed.outputs["layers"]["openai-pinecone"]["name"]
    found = deployed.client("lambda").list_layer_versions(LayerName=name)["LayerVersions"]
    return sorted(one["Version"] for one in found)


def reasons(report: Report) -> dict[int, str]:
    found: list[dict[str, Any]] = report.data["layer_versions"]  # type: ignore[assignment]
    return {one["version"]: one["reason"] for one in found}


def test_old_versions_go_and_the_one_in_use_stays_however_old(deployed: Deployed) -> None:
    for _ in range(4):
        deployed.layer()
    report = prune(deployed.stack, keep=2)
    assert layer_versions(deployed) == [1, 4, 5]
    assert reasons(report)[1].startswith(f"used by {deployed.function['name']}:")
    assert reasons(report)[3] == "nothing uses it"


def test_a_version_that_only_an_old_published_function_version_uses_stays(deployed: Deployed) -> None:
    """A rollback goes there."""
    client = deployed.client("lambda")
    client.update_function_configuration(FunctionName=deployed.function["name"], Layers=[deployed.layer()])
    client.publish_version(FunctionName=deployed.function["name"])
    newest = deployed.layer()
    client.update_function_configuration(FunctionName=deployed.function["name"], Layers=[newest])
    version = client.publish_version(FunctionName=deployed.function["name"])["Version"]
    client.update_alias(FunctionName=deployed.function["name"], Name="live", FunctionVersion=version)
    prune(deployed.stack, keep=1)
    assert layer_versions(deployed) == [1, 2, 3]
    report = prune(deployed.stack, keep=1, function_versions=True)
    assert layer_versions(deployed) == [3]
    gone = [one["version"] for one in report.data["function_versions"] if one["deleted"]]  # type: ignore[index,union-attr]
    assert sorted(gone) == [1, 2]


def test_a_version_that_an_alias_leads_to_stays_canary_weights_too(deployed: Deployed) -> None:
    for text in ("two", "three", "four"):
        deployed.publish(text)
    deployed.client("lambda").create_alias(FunctionName=deployed.function["name"], Name="old", FunctionVersion="2")
    report = prune(deployed.stack, keep=1, function_versions=True)
    found: list[dict[str, Any]] = report.data["function_versions"]  # type: ignore[assignment]
    assert {one["version"]: one["deleted"] for one in found} == {1: False, 2: False, 3: True, 4: False}
    assert report.data["stopped"] is None, "Lambda was not asked: it would refuse, and the rest would stay"


def test_layers_of_a_former_runtime_or_cpu_are_seen_and_those_of_other_stacks_are_not(deployed: Deployed) -> None:
    client = deployed.client("lambda")
    former, other = "strata-one-openai-pinecone-py312-x86_64", "strata-one-eu-openai-pinecone-py312-x86_64"
    for name in (former, other):
        for text in ("one", "two"):
            client.publish_layer_version(LayerName=name, Content={"ZipFile": archive(text, "python/x.txt")})
    report = prune(replace(deployed.stack, name="one"), keep=1)
    gone = {one["name"]: one["version"] for one in report.data["layer_versions"] if one["deleted"]}  # type: ignore[attr-defined]
    assert gone == {former: 1}


def test_a_dry_run_deletes_nothing(deployed: Deployed) -> None:
    deployed.layer()
    deployed.layer()
    report = prune(deployed.stack, keep=1, dry_run=True)
    assert report.notes[0].startswith("would delete 1 layer versions")
    assert layer_versions(deployed) == [1, 2, 3]


def test_other_functions_of_the_region_count_as_users(deployed: Deployed) -> None:
    arn = deployed.layer()
    deployed.layer()
    client = deployed.client("lambda")
    other = deployed.function["name"] + "-other"
    client.create_function(
        FunctionName=other,
        Runtime="python3.13",
        Role=deployed.function["role_arn"],
        Handler="code_.handler",
        Code={"ZipFile": archive("")},
        Layers=[arn],
    )
    report = prune(deployed.stack, keep=1)
    assert reasons(report)[2] == f"used by {other}:$LATEST"


def test_a_throttled_call_is_tried_again(deployed: Deployed) -> None:
    """Every call of ops was made once, which only invocations are to be: Lambda's control plane throttles early."""
    deployed.layer()
    with Refusing(deployed.account, "GET .*/versions", THROTTLED, times=2) as address:
        report = prune(deployed.at(address), keep=1)
    assert report.ok
    assert layer_versions(deployed) == [1, 2]


def test_what_was_deleted_is_told_although_the_next_step_is_refused(deployed: Deployed) -> None:
    for _ in range(3):
        deployed.layer()
    with Refusing(deployed.account, "DELETE .*/layers/", FORBIDDEN, after=1, times=9) as address:
        report = prune(deployed.at(address), keep=1)
    assert not report.ok
    assert layer_versions(deployed) == [1, 2, 4]
    found: list[dict[str, Any]] = report.data["layer_versions"]  # type: ignore[assignment]
    assert [one["version"] for one in found if one["deleted"]] == [3]
    assert {row[3]: row[0] for row in report.tables[0].rows} == {
        "1": "kept",
        "2": "still there",
        "3": "deleted",
        "4": "kept",
    }
    assert report.notes[0] == "deleted 1 layer versions and 0 function versions"
    assert "AccessDenied" in report.notes[1]


def test_when_nothing_was_deleted_a_refusal_is_an_error(deployed: Deployed) -> None:
    deployed.layer()
    deployed.layer()
    with (
        Refusing(deployed.account, "DELETE .*/layers/", FORBIDDEN, times=9) as address,
        pytest.raises(ClientError, match="AccessDenied"),
    ):
        prune(deployed.at(address), keep=1)
