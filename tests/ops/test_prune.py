"""prune: old layer versions go, used ones never."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from ops.prune import prune
from tests.ops.archives import archive
from tests.ops.refusing import FORBIDDEN, THROTTLED, Refusing

if TYPE_CHECKING:
    from ops.report import Report
    from ops.stack import Stack
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


@dataclass(frozen=True)
class Retired:
    """A stack whose name no other test uses, and what was published to its artifact bucket."""

    deployed: Deployed
    stack: Stack
    bucket: str

    def name(self, layer: str, target: str = "py313-arm64") -> str:
        """A layer's in AWS."""
        return f"strata-{self.stack.name}-{layer}-{target}"

    def publish(self, name: str, digests: str) -> None:
        """A layer version for each letter, of the digest that it stands for."""
        for digest in digests:
            self.deployed.client("lambda").publish_layer_version(
                LayerName=name, Description=digest * 64, Content={"ZipFile": archive(digest, "python/x.txt")}
            )

    def upload(self, layer: str, digests: str) -> None:
        """Their artifacts."""
        for digest in digests:
            key = f"layers/{layer}/{digest * 64}.zip"
            self.deployed.client("s3").put_object(Bucket=self.bucket, Key=key, Body=b"")

    def pruned(self, keep: int) -> tuple[list[tuple[str, int]], Report]:
        """What `prune` deleted."""
        report = prune(self.stack, keep=keep)
        found: list[dict[str, Any]] = report.data["layer_versions"]  # type: ignore[assignment]
        return sorted((one["name"], one["version"]) for one in found if one["deleted"]), report


@pytest.fixture
def retired(deployed: Deployed) -> Retired:
    bucket = str(deployed.outputs["artifact_bucket"])
    here = {"LocationConstraint": deployed.account.region}
    deployed.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=here)
    return Retired(deployed, replace(deployed.stack, name=uuid.uuid4().hex[:8]), bucket)


def test_a_layer_that_the_repository_has_no_more_is_seen_by_what_it_was_made_from(retired: Retired) -> None:
    """Possible names are made of the layers that there are, so it stayed for ever, of a former runtime as well."""
    ours, others = retired.name("old", "py310-x86_64"), retired.name("eu-old")
    retired.publish(ours, "abc")
    retired.publish(others, "def")
    retired.upload("old", "abc")
    assert retired.pruned(keep=9)[0] == []
    gone, report = retired.pruned(keep=2)
    assert gone == [(ours, 1)]
    assert f"left alone, since nothing in the artifact bucket shows whose they are: {others}" in report.notes
    assert report.data["left_alone"] == [others]


@pytest.mark.parametrize(
    ("uploaded", "gone"),
    [(["old"], []), (["eu-old"], [1]), (["eu-old", "old"], []), (["eu-old", "else"], [1])],
    ids=["the_other_stack_s", "ours", "of_either", "ours_whatever_else_there_is"],
)
def test_in_a_bucket_that_stacks_share_a_layer_of_another_stack_stays(
    retired: Retired, uploaded: list[str], gone: list[int]
) -> None:
    """`eu-old` of the stack `one`, or `old` of the stack `one-eu`."""
    name = retired.name("eu-old")
    retired.publish(name, "ab")
    for layer in uploaded:
        retired.upload(layer, "ab")
    assert retired.pruned(keep=1)[0] == [(name, version) for version in gone]


def test_of_a_name_that_two_stacks_have_only_the_versions_of_this_one_go(retired: Retired) -> None:
    name = retired.name("eu-old")
    retired.publish(name, "axb")
    retired.upload("eu-old", "ab")
    assert retired.pruned(keep=1)[0] == [(name, 1)]


def test_without_the_bucket_former_layers_stay_and_all_else_goes_on(retired: Retired) -> None:
    retired.publish(retired.name("old"), "ab")
    retired.deployed.layer()
    retired.deployed.client("s3").delete_bucket(Bucket=retired.bucket)
    gone, report = retired.pruned(keep=1)
    assert gone == []
    assert "left alone, since the artifact bucket could not be listed (NoSuchBucket)" in report.notes[1]


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
