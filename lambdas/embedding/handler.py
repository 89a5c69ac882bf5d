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

from lambdas.shared.startup import starting

with starting():
    from aws_lambda_powertools import Metrics
    from aws_lambda_powertools.metrics import MetricUnit

    from lambdas.embedding.chunks import Tokenizer
    from lambdas.embedding.pinecone_client import PineconeClient
    from lambdas.embedding.pipeline import BatchResult, Delivery, Pipeline
    from lambdas.embedding.settings import FUNCTION, Settings
    from lambdas.embedding.vectors import VectorIndex
    from lambdas.shared.deadline import Deadline, OverrunError, Worker
    from lambdas.shared.health import HealthReport, is_health_request, report
    from lambdas.shared.json_values import is_list, is_object
    from lambdas.shared.logs import function_logger
    from lambdas.shared.openai_calls.embedder import Embedder
    from lambdas.shared.openai_calls.embeddings import Embeddings
    from lambdas.shared.openai_calls.openai_service import OpenAIService
    from lambdas.shared.secret import Secret, SecretError
    from lambdas.shared.work_errors import ConfigurationError, OutOfTimeError, WorkError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
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
MOST_DIGITS = 15
"""Of a moment in milliseconds that is one."""

logger = function_logger()
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
    openai = OpenAIService(
        secrets[0],
        base_url=settings.openai_base_url,
        timeout_seconds=settings.openai_timeout_seconds,
        max_retries=settings.openai_max_retries,
    )
    embeddings = Embeddings(
        openai, settings.model_name, settings.dimensions, shortened=settings.asked_dimensions is not None
    )
    pinecone = PineconeClient(settings.pinecone_index_host, secrets[1])
    return Pipeline(settings, _tokenizer(), Embedder(embeddings), VectorIndex(pinecone))


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
    records = _records(event)
    result = _run([_delivery(record) for record in records], Deadline.of(context))
    _observe(records, result)
    failed = [record["messageId"] for record in records if record["messageId"] in result.failures]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _records(event: object) -> list[dict[str, Any]]:
    records = event.get("Records") if is_object(event) else None
    if not is_list(records) or not all(
        is_object(record) and record.get("eventSource") == "aws:sqs" and isinstance(record.get("messageId"), str)
        for record in records
    ):
        raise ValueError(
            'the event is not an SQS event (Records of eventSource "aws:sqs" with a messageId), nor {"test": true}'
        )
    return records


def _delivery(record: dict[str, Any]) -> Delivery:
    sent = _attribute(record, "SentTimestamp", "")
    in_ms = sent.isascii() and sent.isdigit() and len(sent) <= MOST_DIGITS
    return Delivery(record["messageId"], record.get("body") or "", int(sent) if in_ms else 0)


def _attribute(record: dict[str, Any], name: str, default: str) -> str:
    """One of SQS's attributes of a record; events that others make up have none."""
    attributes: dict[str, Any] = record.get("attributes") or {}
    return str(attributes.get(name, default))


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
    return BatchResult(failures={delivery.message_id: reason for delivery in deliveries})


def _observe(records: list[dict[str, Any]], result: BatchResult) -> None:
    """Log every failure with its reason, and emit the batch's metrics."""
    retried = 0
    for record in records:
        received = _attribute(record, "ApproximateReceiveCount", "1")
        retried += received != "1"
        failure = result.failures.get(record["messageId"])
        if failure is not None:
            reason = failure.reason if isinstance(failure, WorkError) else "secret"
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
        "DocumentsDeleted": result.deleted,
        "MessagesOutdated": result.outdated,
    }
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()
    logger.info("batch done", extra={"messages": len(records), **counts})


def _health() -> HealthReport:
    def settings() -> str:
        loaded = Settings.load(os.environ)
        _secrets()
        return f"{loaded.model_name}, {loaded.dimensions} dimensions"

    def vocabulary() -> str:
        tokenizer = _tokenizer()
        return f"{tokenizer.name}, {tokenizer.count('hello world')} tokens in 'hello world'"

    return report(FUNCTION, DISTRIBUTIONS, {"settings": settings, "vocabulary": vocabulary})


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # Lambda's init phase, and nobody else's import
    # What is wrong is said again with the first message.
    with starting(), contextlib.suppress(ConfigurationError, SecretError):
        _pipeline()
