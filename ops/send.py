"""Giving a function a message by the way that its own callers use: its queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.errors import UsageError
from ops.report import Report

if TYPE_CHECKING:
    from ops.stack import Stack

LARGEST_MESSAGE = 1_048_576
"""Bytes. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


def send(stack: Stack, key: str, body: str) -> Report:
    """Put one message into a function's queue."""
    function = stack.function(key)
    if function.queue is None:
        raise UsageError(f"function {key} has no queue: use `ops invoke`")
    if not body.strip():
        raise UsageError("the message is empty")
    size = len(body.encode())
    if size > LARGEST_MESSAGE:
        raise UsageError(f"the message has {size:,} bytes; SQS takes {LARGEST_MESSAGE:,}")
    sent = str(stack.client("sqs").send_message(QueueUrl=function.queue.url, MessageBody=body)["MessageId"])
    return Report(data={"function": key, "message": sent}, notes=[f"sent {sent} to the queue of {key}"])
