"""What is in a dead-letter queue: each message listed and given back at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ops.messages import BATCH, receive, release, weight
from ops.report import Report, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from ops.failure_reasons import Reasons
    from ops.stack import Function

LOOK_SECONDS = 30
"""The visibility timeout while looking."""
SHOWN_CHARACTERS = 60


def listing(
    client: SQSClient,
    function: Function,
    url: str,
    *,
    limit: int,
    shown: Callable[[MessageTypeDef], str],
    why: Callable[[Sequence[MessageTypeDef]], Reasons],
) -> Report:
    """A dead-letter queue's messages, at most `limit`, each given back at once.

    Args:
        shown: what is shown of a message.
        why: why messages failed.
    """
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    total = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
    seen: dict[str, MessageTypeDef] = {}
    received: list[MessageTypeDef] = []
    try:
        while len(seen) < limit:
            some = receive(client, url, count=min(BATCH, limit - len(seen)), hidden_seconds=LOOK_SECONDS)
            received += some
            # In a long listing the first ones are visible again before the last: nothing new means that all were seen.
            if all(message["MessageId"] in seen for message in some):
                break
            seen |= {str(message["MessageId"]): message for message in some}
    finally:
        release(client, url, received)
    reasons = why(list(seen.values()))
    found = [
        {**describe(message, shown(message)), "reason": reasons.by_message.get(identifier, "")}
        for identifier, message in seen.items()
    ]
    columns = ["message", "sent", "receives", "bytes", "begins", "reason"]
    rows = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()] for row in found]
    return Report(
        data={"function": function.key, "dry_run": True, "in_queue": total, "messages": found},
        tables=[Table(title=f"dead-letter queue of {function.key}", columns=columns, rows=rows)] if rows else [],
        notes=[f"about {total} messages; {len(found)} shown, none moved", *([reasons.note] if reasons.note else [])],
    )


def describe(message: MessageTypeDef, text: str) -> dict[str, Any]:
    """A row of the listing; `text` is what is shown of the message, if it is short enough."""
    attributes = message.get("Attributes", {})
    sent = int(attributes.get("SentTimestamp", 0)) / 1000
    body = " ".join(text.split())
    return {
        "id": str(message["MessageId"]),
        "sent": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sent)),
        "receives": int(attributes.get("ApproximateReceiveCount", 0)),
        "bytes": weight(message),
        "begins": body if len(body) <= SHOWN_CHARACTERS else body[: SHOWN_CHARACTERS - 1] + "…",
    }
