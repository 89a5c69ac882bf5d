"""Logs and metrics: what was done, what was refused and why. Never a body, an address, a token or a document's text."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.shared.logs import function_logger
from lambdas.shared.pdf.watching import watcher

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = function_logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Strata"))
watch = watcher(logger, metrics)


def count(counts: Mapping[str, float]) -> None:
    """Add counts to the invocation's metrics."""
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def flush() -> None:
    """Write the invocation's metrics, when there are any."""
    if metrics.metric_set:
        metrics.flush_metrics()
