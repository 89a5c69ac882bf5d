"""Moving a dead-letter queue's messages back to where they came from, once the reason for their failing is mended.

Messages of a queue go back to it, asynchronous events to their function (`failed_events.py`). A message is in at least
one of the two places at any time: a crash can leave a copy in both, never none. Consumers are idempotent, so a copy
costs work and nothing else. For queues SQS's own move task does it where there is one; by hand (receive, give back,
delete) where there is none (emulators), when only some messages are to go, and for events.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from ops.errors import OpsError, UsageError
from ops.failed_events import ToFunction
from ops.report import Report, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ops.stack import Function, Stack

BATCH = 10
"""Messages in one receive or send. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
BATCH_BYTES = 262_144
"""Bytes in one send; the smallest value of the quota above that SQS has had."""
HIDDEN_SECONDS = 120
"""How long a message in hand stays invisible to others: far longer than sending and deleting one batch takes."""
LOOK_SECONDS = 30
"""The same for a listing, which gives each message back at once."""
POLL_SECONDS = 2.0
SHOWN_CHARACTERS = 60
NO_SUCH_ACTION = {"InvalidAction", "AWS.SimpleQueueService.UnsupportedOperation.Action", "UnknownOperationException"}
"""Error codes that mean: this endpoint does not know StartMessageMoveTask. (A second task at once, or missing rights,
are errors of their own and are not in here.)"""


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
    if not function.dlq_url:
        raise UsageError(f"function {function.key} has no dead-letter queue")
    client = stack.client("sqs")
    target = ToQueue(client, function.queue_url) if function.queue_url else ToFunction(stack.client("lambda"), function)
    if dry_run:
        return listing(client, function, target, function.dlq_url, limit=limit or BATCH)
    stack.check_account()
    if per_second is not None and (limit is not None or not function.queue_url):
        raise UsageError("--rate is for moving everything to a queue; leave it out with --max and for events")
    if limit is None and function.queue_url:
        report = move_task(client, function, per_second=per_second, wait=wait)
        if report is not None:
            return report
    return by_hand(client, function, target, function.dlq_url, limit=limit)


class Target(Protocol):
    """Where a dead-letter queue's messages go back to."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def identity(self, message: dict[str, Any]) -> str:
        """What a message is known by when it comes back."""
        ...

    def shown(self, message: dict[str, Any]) -> str:
        """What a listing shows of it."""
        ...

    def take(self, batch: list[dict[str, Any]]) -> tuple[dict[int, str], dict[int, str]]:
        """Take messages; returns index → what one is known by from now on, and index → why one was not taken."""
        ...


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Back to the function's queue."""

    client: Any
    url: str

    @property
    def name(self) -> str:
        """For people."""
        return "the queue"

    def identity(self, message: dict[str, Any]) -> str:
        """A message keeps its id when it fails again."""
        return str(message["MessageId"])

    def shown(self, message: dict[str, Any]) -> str:
        """The body."""
        return str(message["Body"])

    def take(self, batch: list[dict[str, Any]]) -> tuple[dict[int, str], dict[int, str]]:
        """Send them; returns index → new id, and index → why one was not taken."""
        answer = self.client.send_message_batch(
            QueueUrl=self.url, Entries=[entry(index, message) for index, message in enumerate(batch)]
        )
        refused = {int(one["Id"]): f"{one.get('Code')}: {one.get('Message', '')}" for one in answer.get("Failed", [])}
        return {int(one["Id"]): str(one["MessageId"]) for one in answer.get("Successful", [])}, refused


def move_task(
    client: Any, function: Function, *, per_second: int | None, wait: Callable[[float], None]
) -> Report | None:
    """Let SQS move everything; None where this endpoint cannot."""
    pace = {} if per_second is None else {"MaxNumberOfMessagesPerSecond": per_second}
    try:
        client.start_message_move_task(SourceArn=function.dlq_arn, DestinationArn=function.queue_arn, **pace)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in NO_SUCH_ACTION:
            return None
        raise
    while True:
        task = client.list_message_move_tasks(SourceArn=function.dlq_arn, MaxResults=1)["Results"][0]
        if task["Status"] not in {"RUNNING", "CANCELLING"}:
            break
        wait(POLL_SECONDS)
    moved, total = int(task.get("ApproximateNumberOfMessagesMoved", 0)), task.get("ApproximateNumberOfMessagesToMove")
    ok = task["Status"] == "COMPLETED"
    reason = task.get("FailureReason")
    notes = [f"SQS moved {moved} of about {total} messages: {task['Status'].lower()}"]
    if reason:
        notes.append(f"{reason}; what was not moved is still in the dead-letter queue")
    return Report(
        ok=ok,
        data={"function": function.key, "how": "move task", "status": task["Status"], "moved": moved, "reason": reason},
        notes=notes,
    )


def by_hand(client: Any, function: Function, target: Target, dlq_url: str, *, limit: int | None) -> Report:
    """Receive, give to the target, and only then delete, until the dead-letter queue gives nothing new."""
    tally = Tally()
    sent: set[str] = set()
    kept: list[dict[str, Any]] = []
    try:
        while limit is None or tally.moved + len(tally.failed) < limit:
            room = BATCH if limit is None else min(BATCH, limit - tally.moved - len(tally.failed))
            received = receive(client, dlq_url, count=room, hidden_seconds=HIDDEN_SECONDS)
            if not received:
                break
            again = [message for message in received if target.identity(message) in sent]
            tally.came_back += len(again)
            kept += again
            for batch in batches(message for message in received if target.identity(message) not in sent):
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
            "how": "receive, send, delete" if function.queue_url else "receive, invoke, delete",
            "moved": tally.moved,
            "came_back": tally.came_back,
            "failed": tally.failed,
        },
        notes=notes,
    )


def receive(client: Any, url: str, *, count: int, hidden_seconds: int) -> list[dict[str, Any]]:
    """Up to `count` messages with everything that belongs to them.

    Long polling asks every server of the queue, so that no answer means no message.
    """
    response = client.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=count,
        WaitTimeSeconds=1,
        VisibilityTimeout=hidden_seconds,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    return list(response.get("Messages", []))


def batches(messages: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Groups that one SendMessageBatch takes; a message over the batch's bytes goes alone."""
    group: list[dict[str, Any]] = []
    size = 0
    for message in messages:
        length = weight(message)
        if group and (len(group) == BATCH or size + length > BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(message)
        size += length
    if group:
        yield group


def weight(message: dict[str, Any]) -> int:
    """What SQS counts of a message, in bytes: body, and names, types and values of attributes."""
    total = len(message["Body"].encode())
    for name, value in message.get("MessageAttributes", {}).items():
        total += len(name) + len(value.get("DataType", "")) + len(value.get("StringValue", "").encode())
        total += len(value.get("BinaryValue", b""))
    return total


def entry(index: int, message: dict[str, Any]) -> dict[str, Any]:
    """The same message, to be sent: body, attributes, trace, and the group and deduplication of a FIFO queue."""
    system = message.get("Attributes", {})
    made: dict[str, Any] = {"Id": str(index), "MessageBody": message["Body"]}
    attributes = {
        name: {part: value[part] for part in ("DataType", "StringValue", "BinaryValue") if part in value}
        for name, value in message.get("MessageAttributes", {}).items()
    }
    if attributes:
        made["MessageAttributes"] = attributes
    if "AWSTraceHeader" in system:
        trace = {"DataType": "String", "StringValue": system["AWSTraceHeader"]}
        made["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    made |= {name: system[name] for name in ("MessageGroupId", "MessageDeduplicationId") if name in system}
    return made


def move(
    client: Any, batch: list[dict[str, Any]], target: Target, dlq_url: str, *, tally: Tally, sent: set[str]
) -> list[dict[str, Any]]:
    """Give one batch to the target and delete what it took; returns what is still to be given back."""
    known_as, refused = target.take(batch)
    sent.update(known_as.values())
    taken = [batch[index] for index in known_as]
    tally.failed |= {str(batch[index]["MessageId"]): why for index, why in refused.items()}
    tally.moved += len(taken)
    if taken:
        entries = [{"Id": str(index), "ReceiptHandle": one["ReceiptHandle"]} for index, one in enumerate(taken)]
        left = client.delete_message_batch(QueueUrl=dlq_url, Entries=entries).get("Failed", [])
        if left:
            raise OpsError(
                f"{len(left)} messages went back but could not be deleted from the dead-letter queue "
                f"({left[0].get('Code')}): they are now in both. Nothing is lost; run redrive again later"
            )
    return [batch[index] for index in refused]


def release(client: Any, url: str, messages: Iterable[dict[str, Any]]) -> None:
    """Make received messages visible again at once."""
    for message in messages:
        try:
            client.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        except ClientError as error:
            # Already visible again, or gone: both are what this is for.
            code = str(error.response.get("Error", {}).get("Code")).rpartition(".")[2]
            if code not in {"MessageNotInflight", "ReceiptHandleIsInvalid"}:
                raise


def listing(client: Any, function: Function, target: Target, dlq_url: str, *, limit: int) -> Report:
    """The dead-letter queue's messages, at most `limit`, each given back at once."""
    attributes = client.get_queue_attributes(QueueUrl=dlq_url, AttributeNames=["ApproximateNumberOfMessages"])
    total = int(attributes["Attributes"]["ApproximateNumberOfMessages"])
    seen: dict[str, dict[str, Any]] = {}
    received: list[dict[str, Any]] = []
    try:
        while len(seen) < limit:
            some = receive(client, dlq_url, count=min(BATCH, limit - len(seen)), hidden_seconds=LOOK_SECONDS)
            received += some
            # In a long listing the first ones are visible again before the last: nothing new means that all were seen.
            if all(message["MessageId"] in seen for message in some):
                break
            seen |= {str(message["MessageId"]): message for message in some}
    finally:
        release(client, dlq_url, received)
    found = [describe(message, target.shown(message)) for message in seen.values()]
    rows = [[one["id"], one["sent"], str(one["receives"]), f"{one['bytes']:,}", one["begins"]] for one in found]
    columns = ["message", "sent", "receives", "bytes", "begins"]
    return Report(
        data={"function": function.key, "dry_run": True, "in_queue": total, "messages": found},
        tables=[Table(title=f"dead-letter queue of {function.key}", columns=columns, rows=rows)] if rows else [],
        notes=[f"about {total} messages; {len(found)} shown, none moved"],
    )


def describe(message: dict[str, Any], text: str) -> dict[str, Any]:
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
