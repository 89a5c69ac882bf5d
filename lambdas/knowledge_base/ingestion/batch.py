"""A batch of the queue: each message's documents are read or removed; what failed comes again, until it came too often.

Owns what becomes of a message. A document's row never depends on one: a run that is killed leaves a lease that ends,
and a row that its owner sees as failed from then on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.knowledge_base.documents.document import Status
from lambdas.knowledge_base.documents.problem import problem
from lambdas.knowledge_base.ingestion import pipeline
from lambdas.knowledge_base.ingestion.events import Task, tasks
from lambdas.knowledge_base.ingestion.ingestion_queue import wait_seconds
from lambdas.knowledge_base.ingestion.outcomes import AgainError, OvertakenError, meaning, told
from lambdas.knowledge_base.telemetry import count, logger
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.knowledge_base.documents import Document, Documents, Files
    from lambdas.knowledge_base.ingestion.ingestion_queue import IngestionQueue
    from lambdas.knowledge_base.ingestion.outcomes import StepError
    from lambdas.knowledge_base.ingestion.pipeline import Tools

LEAST_SECONDS = 20.0
"""That a run is begun with: what is left of a batch's time may be too little for its last messages."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One message, as it was received."""

    id: str
    body: str
    receipt_handle: str
    received: int
    """How often, this time included."""

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> _Delivery:
        received = str(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        return cls(
            record["messageId"],
            record.get("body") or "",
            record.get("receiptHandle", ""),
            int(received) if received.isdigit() else 1,
        )


@dataclass(frozen=True, slots=True)
class _Time:
    """What there is for one message."""

    deadline: Deadline
    stopped: float
    """Second (Unix time) in which Lambda stops the function: until then, and no longer, it can be at work."""


class Ingestion:
    """The consumer of the queue."""

    def __init__(
        self,
        *,
        tools: Callable[[], Tools],
        documents: Documents,
        files: Files,
        queue: IngestionQueue,
        clock: Callable[[], float],
        max_receives: int,
    ) -> None:
        """Remember what is worked with.

        Args:
            tools: gives what a run works with; asked for when there is one.
            documents: rows, and their removal.
            files: the bucket.
            queue: where messages come from.
            clock: gives the second (Unix time).
            max_receives: after so many deliveries the queue gives a message up.
        """
        self._tools = tools
        self._documents = documents
        self._table = documents.table
        self._files = files
        self._queue = queue
        self._clock = clock
        self._max_receives = max_receives

    def batch(self, event: Mapping[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        """Work on messages.

        Args:
            event: of SQS.
            context: of the invocation.

        Returns:
            The messages that are to come again.
        """
        deliveries = [_Delivery.of(record) for record in event["Records"]]
        again: list[str] = []
        for number, delivery in enumerate(deliveries):
            share = Deadline.of(context).left() / (len(deliveries) - number)
            stopped = self._clock() + context.get_remaining_time_in_millis() / 1000
            try:
                self._deliver(delivery, _Time(Deadline.after(share), stopped))
            except Exception as error:  # noqa: BLE001  one message's; the others are worked on
                again.append(delivery.id)
                self._failed(delivery, error)
        count({"MessagesFailed": len(again)})
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}

    def _deliver(self, delivery: _Delivery, time_: _Time) -> None:
        """Do what a message asks for: all of it is tried, then the first failure counts."""
        failures: list[Exception] = []
        for task in tasks(delivery.body, self._files.bucket):
            try:
                self._look_after(task, time_, last=delivery.received >= self._max_receives)
            except Exception as error:  # noqa: BLE001  as above
                failures.append(error)
        if failures:
            raise failures[0]

    def _failed(self, delivery: _Delivery, error: Exception) -> None:
        """Log it, and have the message come again soon."""
        extra = {"message_id": delivery.id, "received": delivery.received, "reason": type(error).__name__}
        logger.warning("message is to come again", extra={**extra, "detail": told(error)})
        wait = error.seconds if isinstance(error, AgainError) and error.seconds is not None else None
        try:
            self._queue.postpone(delivery.receipt_handle, wait if wait is not None else wait_seconds(delivery.received))
        except (ClientError, BotoCoreError) as refused:  # it comes after the visibility timeout
            logger.warning("message keeps its visibility timeout", extra={**extra, "detail": told(refused)})

    def _look_after(self, task: Task, time_: _Time, *, last: bool) -> None:
        """Read a document that waits for it, remove one that was deleted; nothing, when it is as it should be.

        Raises:
            AgainError: it cannot be done now.
        """
        if time_.deadline.left() < LEAST_SECONDS:
            raise AgainError("too little time is left in this invocation", 0)
        arrived = task.uploaded and self._files.arrived(task.user_id, task.document_id)
        document = self._table.claim(task.user_id, task.document_id, time_.stopped, uploaded=arrived)
        if document is not None:
            self._ingest(document, time_.deadline, last=last)
            return
        self._as_it_should_be(task, self._table.find(task.user_id, task.document_id), last=last)

    def _as_it_should_be(self, task: Task, document: Document | None, *, last: bool) -> None:
        """A document that is not to be read."""
        now = self._clock()
        if document is not None and document.worked_on(now):
            # Another run is at it: when that is killed, this message is what is left of it.
            wait = document.lease - now + 1
            if not last:
                raise AgainError("another run is at work on the document", wait)
            self._queue.send(task.user_id, task.document_id, delay_seconds=wait)
        elif document is None or document.deleted:
            self._documents.sweep(task.user_id, task.document_id)
        elif task.uploaded and (document.status is Status.READY or document.gone(now)):
            self._files.drop_upload(task.user_id, task.document_id)

    def _ingest(self, document: Document, deadline: Deadline, *, last: bool) -> None:
        started = time.monotonic()
        try:
            done = pipeline.run(document, self._tools(), deadline)
        except OvertakenError:
            self._yield_to_the_other(document)
        except Exception as error:  # noqa: BLE001  whatever it is, the row says so
            self._not_done(document, meaning(error), last=last)
        else:
            seconds = round(time.monotonic() - started, 3)
            facts = {"pages": done.pages, "passages": done.passages, "images": done.images}
            logger.info("document ready", extra={"document_id": document.id, "seconds": seconds, **facts})
            count({"DocumentsReady": 1, "PagesRead": done.pages, "PassagesIndexed": done.passages})

    def _not_done(self, document: Document, failure: StepError, *, last: bool) -> None:
        """Have it tried again, or say why it is not."""
        again = failure.may_pass and not last
        extra = {"document_id": document.id, "code": failure.code, "detail": str(failure), "again": again}
        logger.warning("document not ready", extra=extra)
        if again:
            count({"DocumentsRetried": 1})
            owned = self._table.release(document)
        else:
            count({"DocumentsFailed": 1})
            owned = self._table.fail(document, problem(failure.code))
        if not owned:
            self._yield_to_the_other(document)
        elif again:
            raise AgainError(failure.code)

    def _yield_to_the_other(self, document: Document) -> None:
        """Leave a document that a run does not own any more: what it made of one that was deleted goes with it.

        What it made of one that another run has taken, that run removes at its end.
        """
        current = self._table.find(document.user_id, document.id)
        logger.info("document was deleted or taken over", extra={"document_id": document.id})
        count({"DocumentsOvertaken": 1})
        if current is None or current.deleted:
            self._documents.sweep(document.user_id, document.id, run=document.run)
