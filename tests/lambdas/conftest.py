"""What every function's unit tests share: an invocation's context, an SQS record, the log, a local AWS.

A stand-in of a service belongs to the functions that call it: `tests/lambdas/<function>/conftest.py`.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.emulator import Emulator
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Account


@dataclass
class Context:
    """Lambda's context object: real time runs."""

    seconds: float = 60.0
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_name: str = "strata-test-embedding"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:strata-test-embedding:live"
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return int((self.started + self.seconds - time.monotonic()) * 1000)


def record(body: Any, message_id: str, *, received: int = 1, sent_ms: int = 1_545_082_649_183) -> dict[str, Any]:
    """An SQS record; a body that is no string is sent as JSON."""
    return {
        "messageId": message_id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": str(sent_ms),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(sent_ms),
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:strata-test-embedding",
        "awsRegion": "eu-central-1",
    }


def reasons(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Reason and detail of every failed message in the log."""
    failures = [entry.__dict__ for entry in caplog.records if entry.message == "message failed"]
    return [(entry["reason"], entry["detail"]) for entry in failures]


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An empty local AWS."""
    with Workspace("function-tests", tmp_path_factory.mktemp("sandbox")) as workspace:
        emulator = Emulator(workspace)
        yield emulator.start()
        emulator.stop()
