"""What a function may have beside a queue, through the real CLI and provider: deployed, unchanged, changed, gone."""

from __future__ import annotations

import io
import json
import shutil
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.systems import SYSTEMS
from tests.engine.hesitant import HesitantS3
from tests.engine.inventory import inventory
from tests.engine.steps import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Account
    from tests.engine.pulumi_cli import Checkout, Run

STACK = "kinds"
HANDLER = "def handler(event, context):\n    return event\n"
GUARDS = {
    "public": [],
    "encryption": "AES256",
    "versions": "Enabled",
    "without TLS": ("Deny", "s3:*", {"Bool": {"aws:SecureTransport": "false"}}),
}
"""Of a bucket of the stack's."""
VPC = {"subnet_ids": ["subnet-0123456789abcdef0"], "security_group_ids": ["sg-0123456789abcdef0"]}


@dataclass
class Story:
    """Steps that build upon each other; each is taken once, when the first test asks for it."""

    checkout: Checkout
    s3: HesitantS3
    """What the provider takes for S3."""

    def up(self) -> Run:
        return self.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK)

    def configuration(self, system: str) -> dict[str, Any]:
        """What AWS says of a function's live version."""
        name = self.checkout.outputs(STACK)["functions"][system]["name"]
        return self.checkout.account.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")

    @step
    def deployed(self) -> Run:
        shutil.copy(Path(__file__).with_name("many_kinds.py"), self.checkout.path / "__main__.py")
        for path in ("front/handler.py", "reader/handler.py", "listener/lambda_function.py"):
            source = self.checkout.path / "lambdas" / path
            source.parent.mkdir(exist_ok=True)
            source.write_text(HANDLER)
        # Nothing is invoked and no layer built: the runtime need not be this machine's, and 3.11 has no SnapStart.
        common = {"runtime": "python3.13"}
        config: dict[str, Any] = {f"strata:{name}": None for name in SYSTEMS}
        config["strata:front"] = {**common, "vpc": VPC, "ephemeral_storage_mb": 1_024}
        config["strata:reader"] = {
            **common,
            "bucket": {"prefix": "pdf/"},
            "function_url": {"auth": "AWS_IAM"},
            "provisioned_concurrency": 1,
        }
        config["strata:listener"] = {**common, "bucket": {"prefix": "text/"}, "snapstart": True}
        config["strata:layers"] = {"compiler": "pinned"}
        [endpoints] = self.checkout.provider()["aws:endpoints"]
        config["aws:endpoints"] = [{**endpoints, "s3": self.s3.url}]
        self.checkout.stack(STACK, config)
        return self.up().ok()


@pytest.fixture(scope="module")
def story(checkout: Checkout) -> Iterator[Story]:
    with HesitantS3(checkout.account.endpoint, refusals=2) as s3:
        yield Story(checkout, s3)


def test_every_kind_is_deployed_as_its_config_says(story: Story) -> None:
    assert {each.op for each in story.deployed.steps} == {"create"}
    front, listener = story.configuration("front"), story.configuration("listener")
    assert front["VpcConfig"]["SubnetIds"] == VPC["subnet_ids"]
    assert front["EphemeralStorage"] == {"Size": 1_024}
    assert {"RUNS_TABLE"} <= set(front["Environment"]["Variables"])
    assert listener["Handler"] == "lambda_function.handler"
    assert listener["SnapStart"]["ApplyOn"] == "PublishedVersions"
    outputs = story.checkout.outputs(STACK)
    assert {"api_url", "queue_url", "dlq_url"} <= set(outputs["functions"]["front"])
    assert {"function_url", "async_dlq_url"} <= set(outputs["functions"]["reader"])
    assert "topic_arn" in outputs["functions"]["listener"]


def test_the_shared_bucket_tells_everybody_though_s3_did_not_see_the_permissions_at_once(story: Story) -> None:
    """A first `up` failed with "Unable to validate the following destination configurations"."""
    assert story.deployed
    assert story.s3.left == 0
    bucket = story.checkout.outputs(STACK)["buckets"]["documents"]
    found = story.checkout.account.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    told = found["LambdaFunctionConfigurations"]
    assert sorted(event for each in told for event in each["Events"]) == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    assert len(found["TopicConfigurations"]) == 1


def test_the_table_is_restorable_and_forgets_what_has_expired(story: Story) -> None:
    name = story.deployed and story.configuration("front")["Environment"]["Variables"]["RUNS_TABLE"]
    client = story.checkout.account.client("dynamodb")
    assert client.describe_table(TableName=name)["Table"]["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["AttributeName"] == "expires"


def test_nothing_changes_without_a_change(story: Story) -> None:
    assert story.deployed
    assert story.checkout.pulumi("preview", "--expect-no-changes", "--diff", "--stack", STACK).ok().changed == {}


def test_one_key_changes_one_resource(story: Story) -> None:
    assert story.deployed
    story.checkout.pulumi("config", "set", "--path", "strata:front.http.burst", "7", "--stack", STACK).ok()
    assert story.up().ok().changed == {"front-stage": {"update"}}


def test_code_that_somebody_edited_does_not_go_live_with_a_change_of_memory(story: Story) -> None:
    assert story.deployed
    client = story.checkout.account.client("lambda")
    name = story.checkout.outputs(STACK)["functions"]["listener"]["name"]
    edited = zipped({"lambda_function.py": "def handler(event, context):\n    return 'edited'\n"})
    client.update_function_code(FunctionName=name, ZipFile=edited)
    story.checkout.pulumi("config", "set", "--path", "strata:listener.memory_mb", "512", "--stack", STACK).ok()
    assert story.up().ok().changed == {"listener-function": {"update"}, "listener-live": {"update"}}
    live = client.get_function(FunctionName=name, Qualifier="live")
    with urllib.request.urlopen(live["Code"]["Location"]) as answer:  # noqa: S310 - the emulator's own address
        package = zipfile.ZipFile(io.BytesIO(answer.read()))
    assert package.read("lambda_function.py").decode() == HANDLER
    assert live["Configuration"]["MemorySize"] == 512


def test_what_is_protected_stops_a_destroy_before_anything_is_gone(story: Story) -> None:
    assert story.deployed
    story.checkout.pulumi("config", "set", "--path", "strata:protection.data", "true", "--stack", STACK).ok()
    story.up().ok()
    before, bucket = inventory(story.checkout.account), story.checkout.outputs(STACK)["buckets"]["documents"]
    guards = guards_of(story.checkout.account, bucket)
    # Pulumi looks for protected resources while it previews: with --skip-preview it deletes what it can first.
    refused = story.checkout.pulumi("destroy", "--yes", "--stack", STACK).failed()
    assert "protect" in refused.output
    assert inventory(story.checkout.account).keys() == before.keys()
    assert guards_of(story.checkout.account, bucket) == guards == GUARDS


def test_a_bucket_that_is_not_empty_keeps_its_protections_and_all_else_can_go(story: Story) -> None:
    assert story.deployed
    story.checkout.pulumi("config", "set", "--path", "strata:protection.data", "false", "--stack", STACK).ok()
    story.up().ok()
    s3, bucket = story.checkout.account.client("s3"), story.checkout.outputs(STACK)["buckets"]["documents"]
    s3.put_object(Bucket=bucket, Key="other/kept.txt", Body=b"kept")
    story.checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK).failed()
    assert guards_of(story.checkout.account, bucket) == GUARDS
    for version in s3.list_object_versions(Bucket=bucket)["Versions"]:
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    story.checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK).ok()


def guards_of(account: Account, bucket: str) -> dict[str, Any]:
    """What guards a bucket, as S3 says."""
    s3 = account.client("s3")
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    return {
        "public": [name for name, is_blocked in blocked.items() if not is_blocked],
        "encryption": rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        "versions": s3.get_bucket_versioning(Bucket=bucket).get("Status"),
        "without TLS": (statement["Effect"], statement["Action"], statement["Condition"]),
    }


def zipped(files: dict[str, str]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()
