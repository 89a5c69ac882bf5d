"""The form of an error, and which errors a route names in the OpenAPI document."""

from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from lambdas.knowledge_base.app.schemas import Answer


class Problem(Answer):
    """What went wrong."""

    code: str
    """For programs: the same for the same cause."""
    message: str
    """For people."""


class Failure(Answer):
    """The body of every error."""

    error: Problem


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route adds to `responses=`: the errors it has beside those that every route has."""
    return {status: {"model": Failure, "description": HTTPStatus(status).phrase} for status in statuses}


COMMON: dict[int | str, dict[str, Any]] = {
    **errors(429, 500, 503),
    "default": {"model": Failure, "description": "Any other error"},
}
"""Of every route. The default stands for what comes before a route: 401, 405, 413, 415."""


def failure(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error's answer."""
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)
