"""Why messages are in a dead-letter queue: what the function logged about them, or what Lambda's record says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.failed_events import record
from ops.values import as_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

FAILED = "message failed"
"""What every queue function logs about a message that it gives back, with `message_id`, `reason` and `detail`."""
MOST_RECORDS = 20_000
"""Log records that are read for one listing."""


@dataclass(frozen=True, slots=True)
class Reasons:
    """What is known about some messages."""

    by_message: dict[str, str] = field(default_factory=dict[str, str])
    """Message id → the reason of its last failure."""
    note: str = ""
    """Why reasons are missing."""


def from_records(messages: Iterable[MessageTypeDef]) -> Reasons:
    """What Lambda says of asynchronous events: the exception, and which limit ended the retries."""
    return Reasons({message["MessageId"]: of_event(message) for message in messages if record(message)})


def of_event(message: MessageTypeDef) -> str:
    """`ValueError: no such thing (RetriesExhausted)`."""
    found = record(message)
    answer, context = as_object(found.get("responsePayload")) or {}, as_object(found.get("requestContext")) or {}
    words = [str(answer[key]) for key in ("errorType", "errorMessage") if answer.get(key)]
    condition = str(context.get("condition") or "")
    return f"{': '.join(words)} ({condition})" if words and condition else ": ".join(words) or condition


def from_log(client: CloudWatchLogsClient, group: str, messages: Sequence[MessageTypeDef]) -> Reasons:
    """What the function logged about messages of its queue, since the oldest of them was sent."""
    if not messages:
        return Reasons()
    wanted = {message["MessageId"] for message in messages}
    oldest = min(int(message.get("Attributes", {}).get("SentTimestamp", 0)) for message in messages)
    found: dict[str, str] = {}
    try:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group,
            startTime=oldest,
            filterPattern=f'{{ $.message = "{FAILED}" }}',
            PaginationConfig={"MaxItems": MOST_RECORDS},
        )
        events = [event for page in pages for event in page["events"]]
    except ClientError as error:
        return Reasons(note=f"why they failed could not be read from {group}: {error}")
    for event in sorted(events, key=lambda event: event["timestamp"]):
        identifier, reason = logged(event["message"])
        if identifier in wanted:
            found[identifier] = reason
    missing = len(wanted - found.keys())
    note = f"for {missing} of them {group} has no reason: the function ended before it could log one, or it expired"
    return Reasons(found, note if missing else "")


def logged(text: str) -> tuple[str, str]:
    """Message id and reason of a log record; empty where it is about something else."""
    try:
        found = as_object(json.loads(text)) or {}
    except (ValueError, RecursionError):
        return "", ""
    words = [str(found[key]) for key in ("reason", "detail") if found.get(key)]
    return str(found.get("message_id", "")), ": ".join(words)
