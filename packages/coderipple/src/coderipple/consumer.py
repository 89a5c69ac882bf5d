"""Messages of the queue: each delivery of GitHub's is worked on once, and what failed goes back.

Owns the batch's shape, the record of deliveries, and what is logged of a failure.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,  # pyright: ignore[reportUnknownVariableType] (its types are partial)
)

from coderipple import kept, telemetry
from coderipple.errors import CodeRippleError
from coderipple.http_request import json_object
from coderipple.orchestrator_agent import document
from coderipple.webhook_parser import read_message

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from coderipple.services import Services


def consume(event: dict[str, Any], context: LambdaContext, services: Services) -> PartialItemFailureResponse:
    """Work on a batch.

    Args:
        event: of SQS.
        context: of the invocation.
        services: configuration, secrets, clients.

    Returns:
        The messages to deliver again, also when they are all of the batch.
    """

    def handle(record: SQSRecord) -> None:
        try:
            message = read_message(json_object(record.body or ""))
            attributes: dict[str, Any] = record.get("attributes") or {}
            delivered = int(attributes.get("ApproximateReceiveCount") or 1)
            result = kept.once(
                services.tables,
                services.config.idempotency_table,
                ("delivery", message["delivery"]),
                context,
                lambda: document(message, context, services, delivered),
            )
        except CodeRippleError as error:
            telemetry.count({"MessagesFailed": 1})
            reason = type(error).__name__.removesuffix("Error")
            telemetry.logger.warning(
                "message failed",
                extra={"message_id": record.message_id, "reason": reason, "detail": str(error)},
            )
            raise
        except Exception as error:  # of no kind that is expected: the batch goes on, so it has to be told of here
            telemetry.count({"MessagesFailed": 1})
            detail = f"{type(error).__name__} in {_place(error)}"  # its words may hold anything
            telemetry.logger.error(
                "message failed", extra={"message_id": record.message_id, "reason": "Unexpected", "detail": detail}
            )
            raise
        telemetry.count({"MessagesProcessed": 1})
        telemetry.logger.info("run done", extra={"delivery": message["delivery"], "result": result})

    if not event["Records"]:
        return {"batchItemFailures": []}
    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    try:
        return process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
    finally:
        telemetry.flush()


def _place(error: Exception) -> str:
    """Where an exception was raised: files, lines and functions, no values."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(frames))
