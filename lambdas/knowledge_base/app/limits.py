"""What a request may bring: how much, and in which media type."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from fastapi import Request, params

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.app.responses import failure
from lambdas.knowledge_base.errors import ApiError, BadRequestError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORM = "multipart/form-data"
JSON = "application/json"
_surrogate = re.compile(rb"\\u[dD][89a-fA-F]")
_AROUND_A_FILE = 16 * 1024
MOST_BYTES = contract.MAX_DIRECT_BYTES + _AROUND_A_FILE
"""Of a form with a file."""
MOST_JSON_BYTES = 128 * 1024
"""The longest message of a chat and a list of ids, escaped in the longest way, are less than half of it."""


class BodyLimit:
    """Reads a body whole, as Lambda has it anyway, and refuses one that is too large."""

    def __init__(self, app: ASGIApp) -> None:
        """Args: app: what answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_form = any(
            name == b"content-type" and value.lower().startswith(FORM.encode()) for name, value in scope["headers"]
        )
        most = MOST_BYTES if is_form else MOST_JSON_BYTES
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client is gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                refused = failure(413, "too_large", f"The request has more than {most:,} bytes.")
                await refused(scope, receive, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


async def checked_media_type(request: Request) -> None:
    """Every route's dependency: refuse a body of another media type than the route takes, and what is no text.

    Raises:
        ApiError: 415.
        BadRequestError: JSON has half of a surrogate pair, which no encoding has and nothing can store.
    """
    field = getattr(request.scope.get("route"), "body_field", None)
    if field is None:
        return
    wanted = FORM if isinstance(field.field_info, params.Form) else JSON
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != wanted and (found or await request.body()):
        raise ApiError(415, "unsupported_media_type", f"The body has to be {wanted}.")
    if wanted == JSON and _surrogate.search(await request.body()):
        try:
            json.dumps(await request.json(), ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise BadRequestError("The body has half of a character (a lone surrogate).", "invalid_request") from None
