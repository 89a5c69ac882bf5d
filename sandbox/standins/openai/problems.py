"""Answers other than 200, in OpenAI's shape."""

from __future__ import annotations

import json
from typing import Any, cast


class OpenAIError(Exception):
    """An answer other than 200, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def json_object(body: bytes) -> dict[str, Any]:
    """Read a request's body.

    Raises:
        OpenAIError: 400, with the API's message.
    """
    try:
        request: Any = json.loads(body)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        raise OpenAIError(400, "We could not parse the JSON body of your request. The API expects a JSON payload.")
    return cast("dict[str, Any]", request)
