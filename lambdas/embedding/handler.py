"""The embedding function: a batch of queue messages in, the ids of those to deliver again out.

Owns the event's shape, the logs, the metrics and the partial batch response; `pipeline` does the work.

What is loaded when: modules, the vocabulary and the clients with this module, because Lambda gives an environment a
whole processor while it starts and a fraction of one, by its memory, afterwards. Secrets are read at the first message:
that is a network call, and a wrong secret or setting is to fail messages and not the start.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from lambdas.embedding.chunks import Tokenizer
from lambdas.embedding.errors import ConfigurationError, EmbeddingError, OutOfTimeError
from lambdas.embedding.openai_service import OpenAIService
from lambdas.embedding.pinecone_client import PineconeClient
from lambdas.embedding.pipeline import BatchResult, Delivery, Pipeline
from lambdas.embedding.settings import FUNCTION, Settings
from lambdas.embedding.vectors import VectorIndex
from lambdas.shared.deadline import Deadline, OverrunError, Worker
from lambdas.shared.health import HealthReport, is_health_request, report
from lambdas.shared.secrets import Secret, SecretError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

DISTRIBUTIONS = {
    "openai": "openai",
    "pinecone": "pinecone",
    "tiktoken": "tiktoken",
    "aws-lambda-powertools": "aws_lambda_powertools",
    "pydantic": "pydantic",
    "boto3": "boto3",
}
"""What the layer and the runtime promise."""

logger = Logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Strata"))
worker = Worker()


@cache
def _tokenizer() -> Tokenizer:
    return Tokenizer()


def _secrets() -> list[Secret]:
    """The two keys, by reference."""
    return [Secret(name, os.environ, function=FUNCTION) for name in ("OPENAI_API_KEY", "PINECONE_API_KEY")]


@cache
def _pipeline() -> Pipeline:
    """The clients, kept between invocations; not kept when making them failed."""
    settings = Settings.load(os.environ)
    secrets = _secrets()
    for secret in secrets:
        secret.prepare()
    openai = OpenAIService(settings, secrets[0])
    pinecone = PineconeClient(settings.PINECONE_INDEX_HOST, secrets[1])
    return Pipeline(settings, _tokenizer(), openai, VectorIndex(pinecone))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse | HealthReport:
    """Handle an SQS event, or answer `{"test": true}`.

    Returns:
        The messages to deliver again, also when they are all of the batch; or the health report.

    Raises:
        ValueError: the event is neither.
    """
    if is_health_request(event):
        return _health()
    records = event.get("Records")
    if not isinstance(records, list) or any(record.get("eventSource") != "aws:sqs" for record in records):
        raise ValueError('the event is no SQS event (Records of eventSource "aws:sqs"), and not {"test": true}')
    if not records:  # Lambda sends none; Powertools takes such a batch for a wrong one
        return {"batchItemFailures": []}
    result = _run([_delivery(record) for record in records], Deadline.of(context))
    _observe(records, result)

    def outcome(record: SQSRecord) -> None:
        if record.message_id in result.failures:
            raise result.failures[record.message_id]

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=event, record_handler=outcome, processor=processor, context=context)


def _delivery(record: dict[str, Any]) -> Delivery:
    sent = str(record.get("attributes", {}).get("SentTimestamp", ""))
    return Delivery(record["messageId"], record.get("body") or "", int(sent) if sent.isdigit() else 0)


def _run(deliveries: list[Delivery], deadline: Deadline) -> BatchResult:
    try:
        pipeline = _pipeline()
        return worker.within(deadline, lambda: pipeline.run(deliveries, deadline))
    except (ConfigurationError, SecretError) as error:
        reason: Exception = error
    except OverrunError as error:
        _pipeline.cache_clear()  # what it has connected may still be in use
        reason = OutOfTimeError(f"a service kept the function waiting: {error}")
    # The messages go back to the queue: raising would do the same, and count as a crash.
    return BatchResult(failures={one.message_id: reason for one in deliveries})


def _observe(records: list[dict[str, Any]], result: BatchResult) -> None:
    """Log every failure with its reason, and emit the batch's metrics."""
    retried = 0
    for record in records:
        received = str(record.get("attributes", {}).get("ApproximateReceiveCount", "1"))
        retried += received != "1"
        failure = result.failures.get(record["messageId"])
        if failure is not None:
            reason = failure.reason if isinstance(failure, EmbeddingError) else "secret"
            logger.warning(
                "message failed",
                extra={
                    "message_id": record["messageId"],
                    "received": received,
                    "reason": reason,
                    "detail": str(failure),
                },
            )
    failed = len(result.failures)
    counts = {
        "MessagesProcessed": len(records) - failed,
        "MessagesFailed": failed,
        "MessagesRetried": retried,
        "VectorsUpserted": result.vectors,
        "TokensEmbedded": result.tokens,
    }
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
    logger.info("batch done", extra={"messages": len(records), **counts})


def _health() -> HealthReport:
    def settings() -> str:
        loaded = Settings.load(os.environ)
        _secrets()
        return f"{loaded.OPENAI_EMBEDDING_MODEL}, {loaded.dimensions} dimensions"

    def vocabulary() -> str:
        tokenizer = _tokenizer()
        return f"{tokenizer.name}, {tokenizer.count('hello world')} tokens in 'hello world'"

    return report(FUNCTION, DISTRIBUTIONS, {"settings": settings, "vocabulary": vocabulary})


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # Lambda's init phase, and nobody else's import
    with contextlib.suppress(ConfigurationError, SecretError):  # said again with the first message
        _pipeline()
