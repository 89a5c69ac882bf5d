"""The function: requests of the HTTP API are answered, messages of the queue are worked on.

Owns which of them an event is for, and the health report. What is loaded when: the application with this module,
because Lambda gives an environment a whole processor while it starts; each client when it is first used.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from lambdas.shared.startup import starting

with starting():
    from lambdas.knowledge_base.errors import ConfigurationError
    from lambdas.knowledge_base.gateway import Gateway, is_request
    from lambdas.knowledge_base.services import Services
    from lambdas.knowledge_base.settings import FUNCTION
    from lambdas.knowledge_base.telemetry import flush, logger
    from lambdas.shared.health import HealthReport, is_health_request, report
    from lambdas.shared.json_values import is_list, is_object
    from lambdas.shared.secret import SecretError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

DISTRIBUTIONS = {
    "argon2-cffi": "argon2",
    "aws-lambda-powertools": "aws_lambda_powertools",
    "boto3": "boto3",
    "fastapi": "fastapi",
    "mangum": "mangum",
    "numpy": "numpy",
    "openai": "openai",
    "pdfplumber": "pdfplumber",
    "pydantic": "pydantic",
    "pyjwt": "jwt",
    "tiktoken": "tiktoken",
    "weaviate-client": "weaviate",
}
"""What the layers and the runtime promise."""


@cache
def _services() -> Services:
    return Services(os.environ)


@cache
def _gateway() -> Gateway:
    return Gateway(_services())


@logger.inject_lambda_context(log_event=False)  # whatever a variable says: events hold passwords and tokens
def handler(
    event: dict[str, Any], context: LambdaContext
) -> dict[str, Any] | PartialItemFailureResponse | HealthReport:
    """Answer a request of the HTTP API, work on a batch of the queue, or answer `{"test": true}`.

    Raises:
        ValueError: the event is none of them.
    """
    if is_health_request(event):
        return _health()
    try:
        if is_request(event):
            return _gateway().answer(event, context)
        if _is_batch(event):
            return _services().ingestion.batch(event, context)
    finally:
        flush()
    raise ValueError(
        "the event is neither an HTTP API's (payload version 2.0) nor an SQS event (Records of eventSource "
        '"aws:sqs"), nor {"test": true}'
    )


def _is_batch(event: object) -> bool:
    records = event.get("Records") if is_object(event) else None
    return (
        is_list(records)
        and bool(records)
        and all(is_object(record) and record.get("eventSource") == "aws:sqs" for record in records)
    )


def _health() -> HealthReport:
    def settings() -> str:
        loaded = _services().settings
        return f"{loaded.chat_model}, {loaded.embedding_model}, {loaded.chunk_tokens} tokens a chunk"

    def routes() -> str:
        return f"{len(_gateway().app.openapi()['paths'])} paths"

    def hashing() -> str:
        return _services().passwords.checked()

    return report(FUNCTION, DISTRIBUTIONS, {"settings": settings, "routes": routes, "hashing": hashing})


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # Lambda's init phase, and nobody else's import
    with starting(), contextlib.suppress(ConfigurationError, SecretError):  # said again with the first event
        _gateway()
        _services().prepare()
