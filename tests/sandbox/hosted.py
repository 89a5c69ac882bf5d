"""A small cloud for the host's tests: emulator and Lambda host, and functions made by hand in a line each."""

from __future__ import annotations

import base64
import io
import itertools
import json
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.cloud import log_messages
from sandbox.lambda_code import PROXY_VARIABLE, running_runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.account import Account
    from sandbox.lambda_host import LambdaHost

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_numbers = itertools.count(1)


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip of texts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


@dataclass(frozen=True)
class Answer:
    """What an invocation gave."""

    payload: Any
    error: str | None
    tail: str


@dataclass(frozen=True)
class Hosted:
    """Functions on one host."""

    account: Account
    host: LambdaHost

    def layer(self, files: Mapping[str, str]) -> str:
        """Publish a layer; its version's ARN."""
        name = f"layer-{next(_numbers)}"
        made = self.account.client("lambda").publish_layer_version(LayerName=name, Content={"ZipFile": zipped(files)})
        return made["LayerVersionArn"]

    def role(self, statements: Iterable[Mapping[str, Any]] = ()) -> str:
        """A role that may do this; its ARN."""
        name = f"role-{next(_numbers)}"
        iam = self.account.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        if statements := list(statements):
            policy = {"Version": "2012-10-17", "Statement": statements}
            iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps(policy))
        return arn

    def function(self, code: str, *, timeout: int = 10, memory: int = 256, **options: Any) -> str:
        """Make a function from the text of its module, with version 1 as `live`; its name."""
        name = f"function-{next(_numbers)}"
        group = options.pop("group", None)
        if group is not None:
            self.account.client("logs").create_log_group(logGroupName=group)
            options["LoggingConfig"] = {"LogGroup": group, "LogFormat": options.pop("log_format", "Text")}
        variables = {PROXY_VARIABLE: self.host.url, **options.pop("variables", {})}
        client = self.account.client("lambda")
        if image := options.pop("image", None):
            package: dict[str, Any] = {"PackageType": "Image", "Code": {"ImageUri": image}}
        else:
            runtime, handler = options.pop("runtime", running_runtime()), options.pop("handler", "app.handler")
            package = {"Runtime": runtime, "Handler": handler, "Code": {"ZipFile": zipped({"app.py": code})}}
        client.create_function(
            FunctionName=name,
            **package,
            Role=options.pop("role", None) or self.role(),
            Timeout=timeout,
            MemorySize=memory,
            Environment={"Variables": variables},
            Publish=True,
            **options,
        )
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        return name

    def invoke(self, name: str, event: Any = None, qualifier: str = "live") -> Answer:
        """Invoke and wait."""
        answer = self.account.client("lambda").invoke(
            FunctionName=name, Qualifier=qualifier, Payload=json.dumps(event), LogType="Tail"
        )
        tail = base64.b64decode(answer.get("LogResult", "")).decode()
        return Answer(json.load(answer["Payload"]), answer.get("FunctionError"), tail)

    def run(self, code: str, event: Any = None, **options: Any) -> Answer:
        """Make a function and invoke it once."""
        return self.invoke(self.function(code, **options), event)

    def log(self, group: str) -> list[str]:
        """All messages in a log group."""
        self.host.flush_logs()
        return log_messages(self.account.client("logs"), group)

    def queue(self, **attributes: str) -> tuple[str, str]:
        """A queue: URL and ARN."""
        sqs = self.account.client("sqs")
        url = sqs.create_queue(QueueName=f"queue-{next(_numbers)}", Attributes=attributes)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def received(self, url: str, seconds: int = 0) -> list[str]:
        """Bodies of the messages in a queue, as soon as there are any, and at the latest then."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            found = self.account.client("sqs").receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=max(0, min(20, round(left)))
            )
            if found.get("Messages") or left <= 0:
                return [message["Body"] for message in found.get("Messages", [])]
