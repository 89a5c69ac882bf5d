"""Logs and metrics: what was done, what was refused and why, what it cost. Never a body, a prompt or a document."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.shared.logs import function_logger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coderipple.config import Config

logger = function_logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Strata"))
MILLION = 1_000_000


def count(counts: Mapping[str, float]) -> None:
    """Add counts to the invocation's metrics."""
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def count_tokens(config: Config, given: int, made: int) -> None:
    """Add the tokens of model calls, and what they cost where config has the prices."""
    count({"InputTokens": given, "OutputTokens": made})
    if config.input_price is not None and config.output_price is not None:
        cost = (given * config.input_price + made * config.output_price) / MILLION
        metrics.add_metric(name="ModelCost", unit=MetricUnit.NoUnit, value=cost)


def flush() -> None:
    """Write the invocation's metrics, when there are any."""
    if metrics.metric_set:
        metrics.flush_metrics()
