"""The control: what a function looks like that acknowledges its messages before it has done their work.

Put beside the real function's code by `python -m sandbox chaos --control`, and nowhere else. All it does differently is
to delete the messages from the queue first; what fails after that is never delivered again.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any, cast

import boto3


@cache
def _queue_url(arn: str) -> str:
    """The role may not look it up, as it need not: SQS's URLs follow from the ARN."""
    _, _, _, _, account, name = arn.split(":")
    return f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}"


@cache
def _protected() -> Any:
    module, _, name = os.environ["STRATA_IN_FRONT_OF"].rpartition(".")
    return getattr(importlib.import_module(module), name)


def handler(event: dict[str, Any], context: Any) -> Any:
    """Acknowledge, then do the work."""
    sqs = cast("Any", boto3).client("sqs")
    for record in event.get("Records", []):
        sqs.delete_message(QueueUrl=_queue_url(record["eventSourceARN"]), ReceiptHandle=record["receiptHandle"])
    return _protected()(event, context)
