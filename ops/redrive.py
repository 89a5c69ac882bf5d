"""Moving a dead-letter queue's messages back to where they came from, once the cause is fixed.

Messages of a queue go back to it, asynchronous events to their function (`failed_events.py`). A message is in at least
one of the two places at any time: a crash can leave a copy in both, never none. Consumers are idempotent, so a copy
costs work and nothing else. For queues SQS's own move task does it where there is one; by hand (receive, give back,
delete) where there is none (emulators), when only some messages are to go, and for events.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ops.dead_letters import listing
from ops.errors import OpsError, UsageError
from ops.failed_events import ToFunction
from ops.failure_reasons import from_log, from_records
from ops.messages import BATCH, batches, entry, receive, release
from ops.move_task import move_task
from ops.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_sqs.type_defs import (
        DeleteMessageBatchRequestEntryTypeDef,
        MessageTypeDef,
    )

    from ops.stack import Function, Stack

HIDDEN_SECONDS = 120
"""How long a message in hand stays invisible to others: far longer than sending and deleting one batch takes."""


@dataclass(slots=True)
class Tally:
    """What happened to the messages of one redrive."""

    moved: int = 0
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """Message id → why it was not taken; it is still in the dead-letter queue."""
    came_back: int = 0
    """Messages that were moved, failed again, and are in the dead-letter queue once more."""


def redrive(
    stack: Stack,
    key: str,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    per_second: int | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Report:
    """Move a function's failed messages back to its queue, or its failed events to itself; or list them.

    Args:
        limit: at most this many messages; None moves all.
        per_second: the move task's pace, 1 to 500; None lets SQS choose. Only for moving all to a queue.
    """
    function = stack.function(key)
    queue, dead_letters = function.queue, function.dead_letters
    if dead_letters is None:
        raise UsageError(f"function {function.key} has no dead-letter queue")
    client = stack.client("sqs")
    target = ToFunction(stack.client("lambda"), function) if queue is None else ToQueue(client, queue.url)
    if dry_run:
        why = from_records if queue is None else partial(from_log, stack.client("logs"), function.log_group)
        return listing(client, function, dead_letters.url, limit=limit or BATCH, shown=target.shown, why=why)
    stack.check_account()
    if per_second is not None and (limit is not None or queue is None):
        raise UsageError("--rate is for moving everything to a queue; leave it out with --max and for events")
    if limit is None and queue is not None:
        report = move_task(client, function.key, dead_letters, queue, per_second=per_second, wait=wait)
        if report is not None:
            return report
    most = waiting(client, dead_letters.url) if queue is None else None
    return by_hand(client, function, target, dead_letters.url, limit=limit, most=most)


def waiting(client: SQSClient, url: str) -> int:
    """How many messages a queue holds, about; at least 1. More events came back, whatever id they have now."""
    names: list[QueueAttributeNameType] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return max(1, sum(int(found[name]) for name in names))


class Target(Protocol):
    """Where a dead-letter queue's messages go back to."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def identity(self, message: MessageTypeDef) -> str:
        """What a message is known by when it comes back."""
        ...

    def shown(self, message: MessageTypeDef) -> str:
        """What a listing shows of it."""
        ...

    def take(self, batch: list[MessageTypeDef]) -> tuple[dict[int, str], dict[int, str]]:
        """Take messages; returns index → what one is known by from now on, and index → why one was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Back to the function's queue."""

    client: SQSClient
    url: str

    @property
    def name(self) -> str:
        """For people."""
        return "the queue"

    def identity(self, message: MessageTypeDef) -> str:
        """A message keeps its id when it fails again."""
        return str(message["MessageId"])

    def shown(self, message: MessageTypeDef) -> str:
        """The body."""
        return str(message["Body"])

    def take(self, batch: list[MessageTypeDef]) -> tuple[dict[int, str], dict[int, str]]:
        """Send them; returns index → new id, and index → why one was not taken."""
        answer = self.client.send_message_batch(
            QueueUrl=self.url, Entries=[entry(index, message) for index, message in enumerate(batch)]
        )
        refused = {
            int(refusal["Id"]): f"{refusal.get('Code')}: {refusal.get('Message', '')}"
            for refusal in answer.get("Failed", [])
        }
        return {int(receipt["Id"]): str(receipt["MessageId"]) for receipt in answer.get("Successful", [])}, refused


def by_hand(
    client: SQSClient, function: Function, target: Target, dlq_url: str, *, limit: int | None, most: int | None = None
) -> Report:
    """Receive, give to the target, and only then delete, until the dead-letter queue gives nothing new."""
    tally = Tally()
    sent: set[str] = set()
    kept: list[MessageTypeDef] = []
    try:
        while limit is None or tally.moved + len(tally.failed) < limit:
            room = BATCH if limit is None else min(BATCH, limit - tally.moved - len(tally.failed))
            received = receive(client, dlq_url, count=room, hidden_seconds=HIDDEN_SECONDS)
            if not received:
                break
            full = most is not None and tally.moved >= most
            again = [message for message in received if full or target.identity(message) in sent]
            tally.came_back += len(again)
            kept += again
            for batch in batches(message for message in received if message not in again):
                kept += move(client, batch, target, dlq_url, tally=tally, sent=sent)
    finally:
        release(client, dlq_url, kept)
    notes = [f"moved {tally.moved} messages from the dead-letter queue of {function.key} to {target.name}"]
    if tally.came_back:
        notes.append(f"{tally.came_back} of them failed again meanwhile and are back in the dead-letter queue")
    notes += [
        f"{identifier} was not taken and stays in the dead-letter queue: {why}"
        for identifier, why in tally.failed.items()
    ]
    return Report(
        ok=not tally.failed,
        data={
            "function": function.key,
            "how": "receive, send, delete" if function.queue else "receive, invoke, delete",
            "moved": tally.moved,
            "came_back": tally.came_back,
            "failed": tally.failed,
        },
        notes=notes,
    )


def move(
    client: SQSClient, batch: list[MessageTypeDef], target: Target, dlq_url: str, *, tally: Tally, sent: set[str]
) -> list[MessageTypeDef]:
    """Give one batch to the target and delete what it took; returns what is still to be given back."""
    known_as, refused = target.take(batch)
    sent.update(known_as.values())
    taken = [batch[index] for index in known_as]
    tally.failed |= {str(batch[index]["MessageId"]): why for index, why in refused.items()}
    tally.moved += len(taken)
    if taken:
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]} for index, message in enumerate(taken)
        ]
        left = client.delete_message_batch(QueueUrl=dlq_url, Entries=entries).get("Failed", [])
        if left:
            raise OpsError(
                f"{len(left)} messages went back but could not be deleted from the dead-letter queue "
                f"({left[0].get('Code')}): they are now in both. Nothing is lost; run redrive again later"
            )
    return [batch[index] for index in refused]
