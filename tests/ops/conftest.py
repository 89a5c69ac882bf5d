"""A real emulator for a test session, and in it a stack as `__main__.py` would export it, made through the AWS API."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from ops.stack import Stack
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace
from tests.ops.archives import archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.account import Account

HANDLER = """
import os

def handler(event, context):
    if event.get("raise"):
        raise ValueError("no such thing")
    if event.get("test"):
        well = os.environ.get("WELL", "yes") == "yes"
        return {"ok": well, "versions": {"code": "CODE"}, "problems": ["openai: ImportError"]}
    return {"echo": event}
"""
CONFIG = """\
# who owns this stack
config:
  aws:region: eu-central-1
  strata:embedding:
    # in megabytes
    memory_mb: 512   # enough
    pinecone_index_host: "https://x.example"
"""


@dataclass(frozen=True)
class Deployed:
    """A stack in the emulator, and hands on its parts."""

    stack: Stack
    account: Account
    outputs: dict[str, Any]
    config_file: Path

    def client(self, service: str) -> Any:
        return self.account.client(service)

    @property
    def function(self) -> dict[str, Any]:
        return self.outputs["functions"]["embedding"]

    def at(self, endpoint: str) -> Stack:
        """The same stack, reached through another address."""
        return replace(self.stack, endpoint=endpoint)

    def publish(self, text: str = "x") -> str:
        """What `pulumi up` does with other code while the alias is held: a new version, and the output that says so."""
        self.function["published"] = self.publish_by_hand(text)
        return str(self.function["published"])

    def publish_by_hand(self, text: str = "x") -> str:
        """A new version of the function, with other code, of which the program does not know; the alias stays."""
        self.client("lambda").update_function_code(
            FunctionName=self.function["name"], ZipFile=archive(HANDLER.replace("CODE", text))
        )
        return str(self.client("lambda").publish_version(FunctionName=self.function["name"])["Version"])

    def layer(self) -> str:
        """A new version of the layer."""
        content = {"ZipFile": archive(uuid.uuid4().hex, "python/x.txt")}
        made = self.client("lambda").publish_layer_version(
            LayerName=self.outputs["layers"]["openai-pinecone"]["name"], Content=content
        )
        return str(made["LayerVersionArn"])

    def alias(self) -> str:
        found = self.client("lambda").get_alias(FunctionName=self.function["name"], Name="live")
        return str(found["FunctionVersion"])

    def send(self, *bodies: str, dead: bool = True) -> None:
        url = self.function["dlq_url" if dead else "queue_url"]
        for body in bodies:
            self.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def bodies(self, *, dead: bool) -> list[str]:
        """Everything in one of the queues, taken out of it."""
        url, found = self.function["dlq_url" if dead else "queue_url"], []
        while messages := self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in messages]
        return sorted(found)


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Workspace("ops", tmp_path_factory.mktemp("sandbox")) as workspace:
        emulator = Emulator(workspace)
        yield emulator.start()
        emulator.stop()


@pytest.fixture
def deployed(account: Account, tmp_path: Path) -> Deployed:
    """One function behind a queue, at version 1, with a layer, a secret and a parameter."""
    mark = uuid.uuid4().hex[:8]
    sqs, lambdas = account.client("sqs"), account.client("lambda")
    dlq_url = sqs.create_queue(QueueName=f"dead-{mark}")["QueueUrl"]
    dlq_arn = sqs.get_queue_attributes(QueueUrl=dlq_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": dlq_arn, "maxReceiveCount": 5})
    queue_url = sqs.create_queue(QueueName=f"queue-{mark}", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    role = account.client("iam").create_role(RoleName=f"role-{mark}", AssumeRolePolicyDocument=json.dumps(trust))
    group = f"/aws/lambda/embedding-{mark}"
    account.client("logs").create_log_group(logGroupName=group)
    layer = lambdas.publish_layer_version(
        LayerName=f"layer-{mark}", Content={"ZipFile": archive("one", "python/x.txt")}
    )
    made = lambdas.create_function(
        FunctionName=f"embedding-{mark}",
        Runtime="python3.13",
        Role=role["Role"]["Arn"],
        Handler="code_.handler",
        Code={"ZipFile": archive(HANDLER)},
        Layers=[layer["LayerVersionArn"]],
        Publish=True,
    )
    arn = str(made["FunctionArn"]).removesuffix(":1")
    lambdas.create_alias(FunctionName=made["FunctionName"], Name="live", FunctionVersion="1")
    secret = account.client("secretsmanager").create_secret(Name=f"openai-{mark}")["ARN"]
    outputs = {
        "artifact_bucket": f"artifacts-{mark}",
        "layers": {"openai-pinecone": {"arn": layer["LayerVersionArn"], "name": f"layer-{mark}", "digest": "0" * 64}},
        "functions": {
            "embedding": {
                "name": made["FunctionName"],
                "arn": arn,
                "alias_arn": f"{arn}:live",
                "published": "1",
                "role_arn": role["Role"]["Arn"],
                "log_group": group,
                "queue_url": queue_url,
                "queue_arn": queue_arn,
                "dlq_url": dlq_url,
                "dlq_arn": dlq_arn,
                "secrets": {"OPENAI_API_KEY": secret, "PINECONE_API_KEY": f"/strata/{mark}/pinecone"},
                "layers": [layer["LayerVersionArn"]],
                "runtime": "python3.13",
                "architecture": "arm64",
            }
        },
    }
    config_file = tmp_path / "Pulumi.test.yaml"
    config_file.write_text(CONFIG)
    stack = Stack(
        name="test", outputs=outputs, session=account.session(), endpoint=account.endpoint, config_file=config_file
    )
    return Deployed(stack=stack, account=account, outputs=outputs, config_file=config_file)
