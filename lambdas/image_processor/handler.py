"""The image processor: a request in, images of a PDF or of its pages out; or a typed error, whatever the file is.

Owns the event's shape, the logs and the metrics; `service` does the work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.image_processor.contract import RESERVE_SECONDS
from lambdas.image_processor.errors import ProcessingError
from lambdas.image_processor.service import Result, process
from lambdas.image_processor.settings import FUNCTION, Settings
from lambdas.shared.deadline import Deadline
from lambdas.shared.health import HealthReport, is_health_request, report
from lambdas.shared.logs import function_logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.image_processor.contract import Answer, ErrorAnswer

DISTRIBUTIONS = {"pymupdf": "pymupdf", "aws-lambda-powertools": "aws_lambda_powertools", "boto3": "boto3"}
"""What the layer and the runtime promise."""

logger = function_logger()
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Strata"))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Answer | ErrorAnswer | HealthReport:
    """Handle one request, or answer `{"test": true}`."""
    if is_health_request(event):
        return _health()
    try:
        result = process(event, Settings.load(os.environ), Deadline.of(context, RESERVE_SECONDS))
    except ProcessingError as error:
        extra = {"code": error.code.value, "reason": error.message, "detail": error.detail}
        logger.warning("request failed", extra=extra)
        _count({"DocumentsFailed": 1})
        return error.answer()
    _observe(result)
    return result.answer


def _observe(result: Result) -> None:
    answer, ending = result.answer, result.ending
    images, skipped = len(answer["images"]), len(answer["skipped"])
    extra = {
        "operation": answer["operation"],
        "pages": answer["page_count"],
        "images": images,
        "skipped": skipped,
        "cpu_seconds": round(ending.cpu_seconds, 3),
        "peak_mib": ending.peak_bytes // 1024**2,
    }
    logger.info("request done", extra=extra)
    _count({"DocumentsProcessed": 1, "ImagesReturned": images, "ImagesSkipped": skipped})


def _count(counts: dict[str, int]) -> None:
    for name, value in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.flush_metrics()


def _health() -> HealthReport:
    def settings() -> str:
        loaded = Settings.load(os.environ)
        return f"{loaded.max_file_bytes:,} bytes, {loaded.max_pixels:,} pixels, {loaded.memory_bytes:,} bytes of memory"

    return report(FUNCTION, DISTRIBUTIONS, {"settings": settings})
