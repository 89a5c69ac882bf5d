"""What a function tells of the children that read its documents: its log and its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from lambdas.shared import child

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger, Metrics

    from lambdas.shared.child import Ending


def watcher(logger: Logger, metrics: Metrics) -> Callable[[str, Ending], None]:
    """What `reading.Budget` tells of each child.

    Args:
        logger: of the function.
        metrics: of the function.
    """

    def watch(step: str, ending: Ending) -> None:
        """A child that ended otherwise than it should is worth a line: a document did it, or a library's release."""
        metrics.add_metric(name="ChildPeakMemory", unit=MetricUnit.Megabytes, value=ending.peak_bytes // child.MIB)
        if ending.how is child.How.FINISHED:
            return
        metrics.add_metric(name="ChildrenLost", unit=MetricUnit.Count, value=1)
        logger.warning(
            "a child did not finish",
            extra={
                "step": step,
                "how": ending.how,
                "error": ending.error,
                "detail": ending.detail,
                "trace": ending.trace,
                "cpu_seconds": round(ending.cpu_seconds, 2),
                "peak_mib": ending.peak_bytes // child.MIB,
            },
        )

    return watch
