"""A webhook in, an answer out: checked before anything else is done with it, queued, and answered 202.

Owns the statuses and what a caller is told, which is nothing of the inside. Agents are not imported here: GitHub waits
10 s, and the work takes minutes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from coderipple.errors import PayloadError
from coderipple.http_request import read_request
from coderipple.signature import HEADER, is_signed
from coderipple.telemetry import logger
from coderipple.webhook_parser import WebhookEvent
from lambdas.orchestrator.contract import ROUTE
from lambdas.shared.secret import SecretError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coderipple.http_request import HttpRequest
    from coderipple.services import Services


class Answer(TypedDict):
    """As API Gateway takes it."""

    statusCode: int
    headers: dict[str, str]
    body: str


def answer(code: int, /, **body: Any) -> Answer:
    """Return an answer with a JSON body. No CORS header: no web page has any business here."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return {"statusCode": code, "headers": headers, "body": json.dumps(body)}


def receive(event: Mapping[str, Any], services: Services) -> Answer:
    """Answer a request.

    Args:
        event: of the HTTP API.
        services: configuration, secrets, queue.
    """
    method, _, path = ROUTE.partition(" ")
    try:
        request = read_request(event)
        if _path(event, request) != path:
            return answer(404, message="not found")
        if request.method != method:
            return {**answer(405, message="method not allowed"), "headers": {"Allow": method}}
        if not is_signed(request.body, request.headers.get(HEADER), services.secrets.webhook.accepted()):
            logger.warning("webhook refused", extra={"reason": "signature"})
            return answer(401, message="the signature does not match")
        return _accepted(request, services)
    except PayloadError as error:
        logger.warning("webhook refused", extra={"reason": "payload", "detail": str(error)})
        return answer(400, message=str(error))
    except SecretError as error:
        logger.error("webhook failed", extra={"reason": "secret", "detail": str(error)})
        return answer(500, message="Webhook processing failed")


def _accepted(request: HttpRequest, services: Services) -> Answer:
    kind, delivery = (request.headers.get(name, "") for name in ("x-github-event", "x-github-delivery"))
    if not kind or not delivery:
        raise PayloadError("X-GitHub-Event or X-GitHub-Delivery is missing")
    webhook = WebhookEvent(request.payload(), kind=kind, delivery=delivery)
    if reason := webhook.ignored(services.config):
        logger.info("webhook ignored", extra={"delivery": delivery, "event": kind, "reason": reason})
        return answer(202, message="ignored", reason=reason)
    message = webhook.message()
    try:
        services.queue.send_message(QueueUrl=services.config.queue_url, MessageBody=json.dumps(message))
    except (ClientError, BotoCoreError) as error:
        logger.error("webhook failed", extra={"delivery": delivery, "reason": "queue", "detail": type(error).__name__})
        return answer(503, message="the webhook could not be queued: deliver it again")
    logger.info("webhook queued", extra={"delivery": delivery, "event": kind, "repository": message["repository"]})
    return answer(202, message="queued", repository=webhook.repository_name, delivery=delivery)


def _path(event: Mapping[str, Any], request: HttpRequest) -> str:
    context: Mapping[str, Any] = event.get("requestContext") or {}
    stage = str(context.get("stage") or "$default")
    return request.path.removeprefix(f"/{stage}") if stage != "$default" else request.path
