"""The orchestrator's handlers: a webhook is answered at once, a message of the queue is worked on.

Owns which of them an event is for. Everything else is the package `coderipple`, in a layer; what works on messages is
imported when there is one, because GitHub waits 10 s for an answer to a webhook.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from lambdas.shared.startup import starting

with starting():
    from coderipple import __version__
    from coderipple.config import get_config, get_secrets
    from coderipple.errors import CodeRippleError, ConfigurationError, PayloadError
    from coderipple.http_request import is_http, json_object
    from coderipple.intake import answer, receive
    from coderipple.services import Services
    from coderipple.telemetry import flush, logger
    from coderipple.webhook_parser import WebhookEvent
    from lambdas.orchestrator.contract import ARCHITECTURE
    from lambdas.shared.health import HealthReport, is_health_request, report
    from lambdas.shared.json_values import is_list, is_object

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from coderipple.intake import Answer

DISTRIBUTIONS = {
    "strands-agents": "strands.models.openai",
    "openai": "openai",
    "httpx": "httpx",
    "pyjwt": "jwt",
    "cryptography": "cryptography",
    "aws-lambda-powertools": "aws_lambda_powertools",
    "pydantic": "pydantic",
    "coderipple": "coderipple.consumer",
    "boto3": "boto3",
}
"""What the layers and the runtime promise."""


@cache
def _services() -> Services:
    config = get_config(os.environ)
    return Services(config, get_secrets(config, os.environ))


@logger.inject_lambda_context
def lambda_handler(event: Any, context: LambdaContext) -> Answer | PartialItemFailureResponse | HealthReport:
    """Answer a webhook, work on a batch of the queue, or do at once what a webhook's body asks for."""
    if is_health_request(event):
        return _health()
    if not is_object(event):
        return answer(400, message="the event is not an object")
    try:
        if is_list(event.get("Records")):
            from coderipple.consumer import consume

            return consume(event, context, _services())
        return receive(event, _services()) if is_http(event) else _direct(event, context)
    except PayloadError as error:
        return answer(400, message=str(error))
    except CodeRippleError as error:
        if "Records" in event:
            raise
        logger.error("webhook failed", extra={"reason": type(error).__name__, "detail": str(error)})
        return answer(500, message="Webhook processing failed")


def health_check_handler(event: dict[str, Any], context: LambdaContext) -> Answer:  # noqa: ARG001 - as Lambda calls it
    """Import what the layers promise, and say which versions are there."""
    found = _health()
    if not found["ok"]:
        logger.error("unhealthy", extra={"problems": found["problems"]})
        return answer(500, status="unhealthy", layers_functional=False, architecture=ARCHITECTURE)
    return answer(
        200,
        status="healthy",
        coderipple_version=__version__,
        boto3_version=found["versions"]["boto3"],
        strands_version=found["versions"]["strands-agents"],
        layers_functional=True,
        architecture=ARCHITECTURE,
    )


def _direct(event: dict[str, Any], context: LambdaContext) -> Answer:
    """Whoever may invoke the function needs no signature; a webhook's body comes as it is, or as an API's event."""
    from coderipple.orchestrator_agent import process_webhook

    body = event.get("body", event)
    payload = json_object(body) if isinstance(body, str) else body
    if not is_object(payload):
        raise PayloadError("the body is not a JSON object")
    webhook, services = WebhookEvent(payload), _services()
    if webhook.kind and (reason := webhook.ignored(services.config)):
        return answer(202, message="ignored", reason=reason)
    result = process_webhook(webhook, context, services)
    flush()
    return answer(200, message=_said(result), repository=webhook.repository_name, **result)


def _said(result: dict[str, Any]) -> str:
    return "ignored" if result["outcome"] == "ignored" else "Webhook processed successfully"


def _health() -> HealthReport:
    def settings() -> str:
        services = _services()
        return f"{services.config.model_provider}, {json.dumps(services.config.source_repo)}"

    return report("orchestrator", DISTRIBUTIONS, {"settings": settings})


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # Lambda's init phase, and nobody else's import
    # What is wrong is said again with the first event.
    with starting(), contextlib.suppress(ConfigurationError):
        _services().prepare()
