"""What the function tells of its work: one log line for each object, and its metrics."""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from lambdas.shared.logs import function_logger

if TYPE_CHECKING:
    from lambdas.embedding_processor.documents import Outcome
    from lambdas.embedding_processor.errors import RefusedFileError

NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Strata")
STATES = {
    "embedded": "FilesEmbedded",
    "unchanged": "FilesUnchanged",
    "outdated": "FilesOutdated",
    "removed": "FilesRemoved",
}
logger = function_logger()
metrics = Metrics(namespace=NAMESPACE)


def done(source: str, outcome: Outcome, started: float) -> dict[str, Any]:
    """One log line and the metrics of an object that is done; its answer."""
    answer = {"status": "ok", "key": source, **asdict(outcome)}
    logger.info("file done", extra={**answer, "seconds": round(time.monotonic() - started, 3)})
    _count(STATES[outcome.state])
    if outcome.chunks:
        _count("ChunksEmbedded", outcome.chunks - outcome.resumed)
        _count("TokensEmbedded", outcome.tokens)
    return answer


def refused(source: str, error: RefusedFileError, started: float) -> dict[str, Any]:
    """One log line and the metric, by reason, of a file that no retry can help; its answer."""
    answer = {"status": "refused", "key": source, "reason": error.reason, "detail": error.message}
    logger.warning("file refused", extra={**answer, "seconds": round(time.monotonic() - started, 3)})
    with single_metric(name="FilesRefused", unit=MetricUnit.Count, value=1, namespace=NAMESPACE) as metric:
        metric.add_dimension(name="reason", value=error.reason)
    return answer


def retried(source: str, error: Exception) -> None:
    """An object that is to be tried again."""
    logger.warning("file is to be tried again", extra={"key": source, "detail": f"{type(error).__name__}: {error}"})
    _count("FilesRetried")


def flush() -> None:
    """Write the invocation's metrics, when there are any."""
    if metrics.metric_set:
        metrics.flush_metrics()


def _count(name: str, value: int = 1) -> None:
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
