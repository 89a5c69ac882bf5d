"""The image processor as deployed: its function from the real layer, under its own role, invoked at its alias."""

from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from sandbox.demos.image_processor import DEMO, samples
from sandbox.screen import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.cloud import LocalCloud

pytestmark = [pytest.mark.xdist_group("local-cloud"), pytest.mark.slow]

FUNCTION = "image_processor"
CONFIG = {"timeout_seconds": 15, "memory_mb": 1_536}
INLINE = {"operation": "extract_images", "file_bytes_base64": base64.b64encode(samples.report()).decode()}


def invoke(cloud: LocalCloud, event: dict[str, Any]) -> Any:
    answer = cloud.client("lambda").invoke(
        FunctionName=cloud.function(FUNCTION)["name"], Qualifier="live", Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in answer
    return json.load(answer["Payload"])


def stored(cloud: LocalCloud, key: str = "work/in.pdf") -> dict[str, Any]:
    """A request for a file in the bucket."""
    bucket = cloud.outputs["buckets"]["images"]
    cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=samples.report())
    return {"operation": "extract_images", "bucket": bucket, "key": key}


def test_the_test_event_is_answered_from_the_layer_at_opt(cloud: LocalCloud) -> None:
    report = invoke(cloud, {"test": True})
    assert report["ok"], report["problems"]
    assert report["versions"].keys() == {"pymupdf", "aws-lambda-powertools", "boto3"}


def test_the_demonstration(cloud: LocalCloud) -> None:
    steps = Steps(Console(file=io.StringIO()))
    report = DEMO.run(cloud, steps, True)
    assert report.faults() == []


def test_what_cannot_end_is_ended_and_the_environment_goes_on(cloud: LocalCloud) -> None:
    invoke(cloud, {"test": True})
    before = processes(cloud)
    encoded = base64.b64encode(samples.endless()).decode()
    answer = invoke(cloud, {"operation": "render_pages", "file_bytes_base64": encoded})
    assert answer["error"]["code"] == "timed_out"
    assert len(invoke(cloud, INLINE)["images"]) == len(samples.REPORT_IMAGES)
    assert processes(cloud) == before


def processes(cloud: LocalCloud) -> set[int]:
    return {environment["pid"] for environment in cloud.host.environments()}


@pytest.fixture
def role(cloud: LocalCloud) -> Iterator[tuple[str, dict[str, Any]]]:
    """The role's name and policy, put back afterwards."""
    iam, name = cloud.client("iam"), cloud.function(FUNCTION)["role_arn"].rpartition("/")[2]
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    yield name, document
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(document))


@pytest.mark.parametrize("sid", ["ReadObjects", "WriteImages"])
def test_each_permission_is_needed(cloud: LocalCloud, role: tuple[str, dict[str, Any]], sid: str) -> None:
    name, document = role
    event = stored(cloud)
    event |= {"output": {"bucket": event["bucket"], "prefix": "work/out"}}
    assert invoke(cloud, event)["status"] == "ok"
    left = [statement for statement in document["Statement"] if statement["Sid"] != sid]
    iam = cloud.client("iam")
    (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps({**document, "Statement": left}))
    assert invoke(cloud, event)["error"]["code"] == "access_denied"


def test_nothing_outside_its_prefix(cloud: LocalCloud) -> None:
    assert invoke(cloud, stored(cloud, "uploads/in.pdf"))["error"]["code"] == "access_denied"
    event = stored(cloud)
    event |= {"output": {"bucket": event["bucket"], "prefix": "elsewhere"}}
    assert invoke(cloud, event)["error"]["code"] == "access_denied"
