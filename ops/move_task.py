"""SQS's own move of a dead-letter queue's messages to the queue that they came from: started, joined, waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.aws_errors import code_of
from ops.errors import OpsError
from ops.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ListMessageMoveTasksResultEntryTypeDef,
        StartMessageMoveTaskRequestTypeDef,
    )

    from ops.stack import Queue

POLL_SECONDS = 2.0
UNLISTED_LOOKS = 15
"""How often a task may be missing from the list that was just started."""
UNDER_WAY = {"RUNNING", "CANCELLING"}
NO_SUCH_ACTION = {"InvalidAction", "AWS.SimpleQueueService.UnsupportedOperation.Action", "UnknownOperationException"}
"""Error codes that mean: this endpoint does not know StartMessageMoveTask. Missing rights are an error of their own."""


def move_task(
    client: SQSClient,
    key: str,
    source: Queue,
    destination: Queue,
    *,
    per_second: int | None,
    wait: Callable[[float], None],
) -> Report | None:
    """Let SQS move everything; None where this endpoint cannot.

    A task goes on when the command that started it was interrupted, and SQS takes one at a time: it is waited for.

    Raises:
        OpsError: the task is not in SQS's list.
    """
    task_of: StartMessageMoveTaskRequestTypeDef = {"SourceArn": source.arn, "DestinationArn": destination.arn}
    if per_second is not None:
        task_of["MaxNumberOfMessagesPerSecond"] = per_second
    notes: list[str] = []
    try:
        client.start_message_move_task(**task_of)
    except ClientError as error:
        if code_of(error) in NO_SUCH_ACTION:
            return None
        if not is_under_way(client, source):
            raise
        notes.append("a move was under way already, and was waited for; its pace is what it was started with")
    task = finished(client, source, wait)
    moved, total = int(task.get("ApproximateNumberOfMessagesMoved", 0)), task.get("ApproximateNumberOfMessagesToMove")
    reason = task.get("FailureReason")
    notes.append(f"SQS moved {moved} of about {total} messages: {task['Status'].lower()}")
    if reason:
        notes.append(f"{reason}; what was not moved is still in the dead-letter queue")
    return Report(
        ok=task["Status"] == "COMPLETED",
        data={"function": key, "how": "move task", "status": task["Status"], "moved": moved, "reason": reason},
        notes=notes,
    )


def latest(client: SQSClient, source: Queue) -> ListMessageMoveTasksResultEntryTypeDef | None:
    """The task that was started last; None where there is none, or none is listed yet."""
    return next(iter(client.list_message_move_tasks(SourceArn=source.arn, MaxResults=1).get("Results", [])), None)


def is_under_way(client: SQSClient, source: Queue) -> bool:
    """Whether a task runs; not known counts as none."""
    try:
        task = latest(client, source)
    except ClientError:
        return False
    return task is not None and task["Status"] in UNDER_WAY


def finished(client: SQSClient, source: Queue, wait: Callable[[float], None]) -> ListMessageMoveTasksResultEntryTypeDef:
    """The task, once it has ended."""
    unlisted = 0
    while (task := latest(client, source)) is None or task["Status"] in UNDER_WAY:
        unlisted = unlisted + 1 if task is None else 0
        if unlisted > UNLISTED_LOOKS:
            raise OpsError(
                "SQS has taken the move and does not list it: `aws sqs list-message-move-tasks --source-arn "
                f"{source.arn}` says what becomes of it, and `ops redrive --dry-run` what is left"
            )
        wait(POLL_SECONDS)
    return task
