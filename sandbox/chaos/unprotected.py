"""The control: what a function looks like that acknowledges its messages before it has stored their vectors.

Put beside the real function's code by `python -m sandbox chaos --control`, and nowhere else. All it does differently is
to delete the messages from the queue first; what fails after that is never delivered again.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import boto3

from lambdas.embedding import handler as protected


@cache
def _queue_url(arn: str) -> str:
    """The role may not look it up, as it need not: SQS's URLs follow from the ARN."""
    _, _, _, _, account, name = arn.split(":")
    return f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}"


def handler(event: dict[str, Any], context: Any) -> Any:
    """Acknowledge, then do the work."""
    records = event["Records"]
    sqs: Any = boto3.client("sqs")
    for one in records:
        sqs.delete_message(QueueUrl=_queue_url(one["eventSourceARN"]), ReceiptHandle=one["receiptHandle"])
    return protected.handler(event, context)
