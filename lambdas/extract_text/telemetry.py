"""What the function tells of its work: one log line for each document, its metrics, and children that were lost."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.shared.logs import function_logger
from lambdas.shared.pdf.watching import watcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.shared.pdf.errors import DocumentError

logger = function_logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Strata"))
watch = watcher(logger, metrics)


def done(answer: Mapping[str, Any], started: float) -> None:
    """One log line and the metrics of a document that could be read."""
    logger.info("document done", extra={**answer, "seconds": round(time.monotonic() - started, 3)})
    counts = {
        "DocumentsProcessed": 1,
        "PagesRead": answer["pages"],
        "TokensCounted": answer["tokens"],
        "ChunksQueued": answer["queued"],
    }
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def failed(key: str, error: DocumentError, started: float) -> dict[str, Any]:
    """One log line and the metrics of a document that could not be read; its answer."""
    answer = {"status": "error", "error": {"code": error.code, "message": error.message}}
    seconds = round(time.monotonic() - started, 3)
    logger.warning("document failed", extra={**answer, "key": key, "seconds": seconds})
    metrics.add_metric(name="DocumentsFailed", unit=MetricUnit.Count, value=1)
    return answer


def retried(key: str, error: Exception) -> None:
    """A document that is to be tried again."""
    logger.warning("document is to be tried again", extra={"key": key, "detail": f"{type(error).__name__}: {error}"})
    metrics.add_metric(name="DocumentsRetried", unit=MetricUnit.Count, value=1)


def gone(bucket: str, key: str) -> None:
    """A document that is no longer there, or of which a later event told."""
    logger.info("document is gone, or a later event told of it", extra={"bucket": bucket, "key": key})
    metrics.add_metric(name="DocumentsGone", unit=MetricUnit.Count, value=1)


def flush() -> None:
    """Write the invocation's metrics, when there are any."""
    if metrics.metric_set:
        metrics.flush_metrics()
