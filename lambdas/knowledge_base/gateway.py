"""An HTTP API's event → the ASGI application → the answer. The only file that knows Mangum."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from mangum import Mangum

from lambdas.knowledge_base.app import create_app
from lambdas.knowledge_base.telemetry import logger
from lambdas.shared.json_values import is_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.knowledge_base.services import Services

TEXT = ["text/", "application/json", "application/javascript", "image/svg+xml"]
"""Media types of bodies that go as text; all others go as base64."""


class Gateway:
    """Answers the API's requests."""

    def __init__(self, services: Services) -> None:
        """Make the application; nothing is connected."""
        # Python 3.14 makes no event loop by itself, and Mangum takes the thread's.
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self.app = create_app(services)
        self._mangum = Mangum(self.app, lifespan="off", text_mime_types=TEXT)

    def answer(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer one request.

        Args:
            event: of an HTTP API, payload version 2.0.
            context: of the invocation.
        """
        asyncio.set_event_loop(self._loop)
        request: dict[str, Any] = {
            **event,
            "headers": event.get("headers") or {},
            "rawQueryString": event.get("rawQueryString") or "",
        }
        try:
            return self._mangum(request, cast("Any", context))
        except (ValueError, AttributeError, TypeError) as error:  # of the adapter: the application answers its own
            logger.error("request not read", extra={"reason": type(error).__name__})
            return self._mangum({**request, **UNREADABLE}, cast("Any", context))


UNREADABLE: dict[str, Any] = {
    "headers": {"content-type": "application/json"},
    "body": "{",
    "isBase64Encoded": False,
    "cookies": [],
    "rawQueryString": "",
}
"""What stands for a body or headers that the adapter cannot read: the application says so in its own form."""


def is_request(event: object) -> bool:
    """Whether an event is an HTTP API's, payload version 2.0."""
    if not is_object(event) or event.get("version") != "2.0":
        return False
    context = event.get("requestContext")
    http = context.get("http") if is_object(context) else None
    return is_object(http) and all(isinstance(http.get(part), str) for part in ("method", "path", "sourceIp"))
