"""Asynchronous events (S3, SNS) in a function's dead-letter queue: what was asked, and asking it once more.

Lambda writes a record there once its retries are used up. It holds the event itself, so no queue is needed to give it
back: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ops.values import as_object

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from ops.stack import Function


def record(message: MessageTypeDef) -> dict[str, Any]:
    """Lambda's record in a message; empty where there is none."""
    try:
        found = as_object(json.loads(message["Body"])) or {}
    except (ValueError, RecursionError):
        return {}
    return found if "requestPayload" in found else {}


@dataclass(frozen=True, slots=True)
class ToFunction:
    """Where failed events go: to the function's alias, as asynchronous events again."""

    client: LambdaClient
    function: Function

    @property
    def name(self) -> str:
        """For people."""
        return f"the function {self.function.key}"

    def identity(self, message: MessageTypeDef) -> str:
        """The invocation that failed."""
        return str((as_object(record(message).get("requestContext")) or {}).get("requestId", ""))

    def shown(self, message: MessageTypeDef) -> str:
        """The event."""
        found = record(message)
        return json.dumps(found["requestPayload"]) if found else str(message["Body"])

    def take(self, batch: list[MessageTypeDef]) -> tuple[dict[int, str], dict[int, str]]:
        """Invoke the alias with each event; returns index → new invocation, and index → why one was not taken."""
        invoked: dict[int, str] = {}
        refused: dict[int, str] = {}
        for index, message in enumerate(batch):
            found = record(message)
            if not found:
                refused[index] = "it is not a record of a failed event (no requestPayload)"
                continue
            try:
                answer = self.client.invoke(
                    FunctionName=self.function.name,
                    Qualifier=self.function.alias,
                    InvocationType="Event",
                    Payload=json.dumps(found["requestPayload"], separators=(",", ":")).encode(),
                )
            except ClientError as error:
                refused[index] = str(error)
            else:
                invoked[index] = str(answer["ResponseMetadata"]["RequestId"])
        return invoked, refused
