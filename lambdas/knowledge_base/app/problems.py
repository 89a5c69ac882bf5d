"""Errors → answers `{"error": {"code", "message"}}`: each kind in one place, and nothing of what was sent in them.

Whatever nobody expected is logged with its trace and answered 500, with the id of the request under which it is logged.
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from lambdas.knowledge_base.app.responses import failure
from lambdas.knowledge_base.errors import ApiError, ConfigurationError
from lambdas.knowledge_base.telemetry import count, logger
from lambdas.shared.secret import SecretError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_NAMED = 5
"""Wrong fields of a request that are named."""
MOST_STEPS = 60
"""Of a trace."""
MOST_NAME = 40
"""Characters of a field's name, which may be made up."""
OF_THE_FRAMEWORK = {
    HTTPStatus.BAD_REQUEST: ("invalid_request", "The body could not be read: it is not what its media type says."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is no such page."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This address does not take that method."),
}
"""Errors that no route of ours raises: status to code and message."""
NOT_READY = "The service cannot answer at the moment: try again in a minute."


def add_handlers(app: FastAPI) -> None:
    """Have the application answer its own errors and its framework's in the one form."""

    @app.exception_handler(ApiError)
    async def expected(_request: Request, error: ApiError) -> JSONResponse:
        return failure(error.status, error.code, error.message, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        return failure(400, "invalid_request", "; ".join(map(_said, error.errors()[:MOST_NAMED])) + ".")

    @app.exception_handler(HTTPException)
    async def of_the_framework(_request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        code, message = OF_THE_FRAMEWORK.get(
            status, (status.name.lower(), f"The request could not be read: {status.phrase.lower()}.")
        )
        return failure(status, code, message, dict(error.headers or {}))


class Problems:
    """Answers what no handler expects, of which nothing leaves the function; has a line in the log for every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Args: app: what answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        statuses: list[int] = []

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if statuses:
                raise  # half an answer is out
            await _unexpected(error, scope)(scope, receive, noted)
        _note(scope, statuses[-1] if statuses else 0, time.monotonic() - started)


def _note(scope: Scope, status: int, seconds: float) -> None:
    """One line for an answer: the route's pattern, never the path, in which ids and whatever somebody typed are."""
    route = getattr(scope.get("route"), "path", "-")
    logger.info(
        "answered",
        extra={"method": scope["method"], "route": route, "status": status, "milliseconds": round(seconds * 1000)},
    )
    count({"Requests": 1, **({"RequestsFailed": 1} if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {})})


def _unexpected(error: Exception, scope: Scope) -> JSONResponse:
    request_id = request_id_of(scope)
    if isinstance(error, SecretError | ConfigurationError):
        logger.error("not configured", extra={"reason": type(error).__name__, "detail": str(error)})
        return failure(503, "not_configured", NOT_READY, {"Retry-After": "60"})
    if isinstance(error, ClientError | BotoCoreError):
        logger.error("AWS refused or did not answer", extra={"reason": type(error).__name__, "detail": _code(error)})
        return failure(503, "unavailable", NOT_READY, {"Retry-After": "5"})
    # The trace without the exception's own words: they may quote what was sent.
    logger.error("request failed", extra={"reason": type(error).__name__, "trace": _trace(error)})
    return failure(500, "internal", f"Something went wrong here. If you report it, name this request: {request_id}")


def request_id_of(scope: Scope) -> str:
    """Lambda's id of the invocation, under which everything is logged."""
    return str(getattr(scope.get("aws.context"), "aws_request_id", "") or "-")


def _code(error: Exception) -> str:
    """What AWS said, without what it was asked."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response.get('Error', {}).get('Code', 'unknown')}"
    return type(error).__name__


def _trace(error: BaseException) -> list[str]:
    """Where it happened."""
    found: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < MOST_STEPS:
        step = cause.__traceback__
        found.append(type(cause).__name__)
        while step is not None:
            code = step.tb_frame.f_code
            found.append(f"{code.co_filename}:{step.tb_lineno} {code.co_name}")
            step = step.tb_next
        cause = cause.__cause__ or cause.__context__
    return found


def _said(problem: Any) -> str:
    """Which field breaks which rule; never its value."""
    place = ".".join(str(part)[:MOST_NAME] for part in problem["loc"] if part != "body")
    kind = str(problem["type"])
    if kind == "json_invalid":
        return "The body is not valid JSON"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place or 'The body'}: {message[:1].lower()}{message[1:]}"
