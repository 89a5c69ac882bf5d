"""A server that speaks GitHub's REST API, over real git repositories. Not GitHub, and it says so in its headers.

Owns the way of a request through credentials, rate limits and permissions to its route, and of an answer back. There is
no git protocol: nothing can be cloned or pushed but through the API, or by whoever holds the state (`state.py`).

Run it alone: `python -m sandbox.standins github --port 8082`.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from lambdas.shared.json_values import is_object
from sandbox.standins.github import account_routes, content_routes, data_routes, pull_routes, repo_routes
from sandbox.standins.github.access import Caller, check
from sandbox.standins.github.calls import Answer, Call, Operation
from sandbox.standins.github.problems import GitHubError, not_implemented
from sandbox.standins.serving import CONTROL, add_detail, build_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.applications import Starlette
    from starlette.requests import Request

    from sandbox.standins.github.repository import Repository
    from sandbox.standins.github.state import GitHubState

HEADERS: Final = {"x-strata-stand-in": "git repositories, not GitHub", "x-github-api-version-selected": "2022-11-28"}
JSON_TYPE: Final = "application/json; charset=utf-8"
LARGEST_BODY: Final = 100 * 1024 * 1024
OPERATIONS: Final = (
    *account_routes.OPERATIONS,
    *content_routes.OPERATIONS,
    *data_routes.OPERATIONS,
    *pull_routes.OPERATIONS,
    *repo_routes.OPERATIONS,
)


def answer(state: GitHubState, operation: Operation, request: Request, body: bytes) -> Answer:
    """One request's answer, its headers included; git is touched by one request at a time."""
    with state.lock:
        now = time.time()
        state.serve_at(str(request.base_url).rstrip("/"))
        caller = _caller(state, request, now)
        if operation.path != "/rate_limit":
            state.limits.count(caller, now)
        found = _repository(state, operation, caller, request)
        if operation.method != "GET":
            state.limits.count_write(caller, now)
        call = Call(
            state=state,
            caller=caller,
            params=request.path_params,
            query=dict(request.query_params),
            body=_body(body),
            accept=request.headers.get("accept", ""),
            url=str(request.url.replace(query="")),
            now=now,
            found=found,
        )
        operation.check_known(call.query, call.body)
        made = operation.run(call)
        given = made if isinstance(made, Answer) else Answer(200, made)
        return _conditional(state, caller, now, given, request)


def _caller(state: GitHubState, request: Request, now: float) -> Caller:
    header = request.headers.get("authorization", "")
    own = state.key_caller if state.keys.accepts(header.partition(" ")[2].strip()) else None
    return state.access.caller(header, own, now)


def _repository(state: GitHubState, operation: Operation, caller: Caller, request: Request) -> Repository | None:
    if operation.by == "app":
        if caller.app is None or caller.kind != "app":
            raise GitHubError(401, "A JSON web token could not be decoded")
        return None
    if operation.by == "anyone":
        return None
    name = f"{request.path_params['owner']}/{request.path_params['repo']}"
    found = state.repository(name)
    check(caller, found.full_name, operation.permission, operation.level, private=found.private)
    if found.archived and operation.level == "write":
        raise GitHubError(403, "Repository was archived so is read-only.")
    return found


def _body(body: bytes) -> Mapping[str, Any]:
    try:
        found: object = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise GitHubError(400, "Problems parsing JSON") from None
    if not is_object(found):
        raise GitHubError(400, "Body should be a JSON object")
    return found


def _conditional(state: GitHubState, caller: Caller, now: float, made: Answer, request: Request) -> Answer:
    """Add the rate limit and the ETag; what the client has already is 304, and does not count."""
    is_bytes = isinstance(made.body, bytes)
    data = made.body if is_bytes else b"" if made.body is None else json.dumps(made.body).encode()
    headers = dict(made.headers)
    if data and not is_bytes:
        headers["content-type"] = JSON_TYPE
    status = made.status
    if request.method == "GET" and status == 200:  # noqa: PLR2004 - as HTTP numbers it
        headers["etag"] = f'W/"{hashlib.sha256(data).hexdigest()}"'
        if headers["etag"] in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
            state.limits.refund(caller, now)
            status, data = 304, b""
    return Answer(status, data, headers | state.limits.headers(caller, now))


def _endpoint(state: GitHubState, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        if len(body) > LARGEST_BODY:
            raise GitHubError(413, "Payload too large")
        add_detail(request, route=f"{operation.method} {operation.path}")
        made = await anyio.to_thread.run_sync(answer, state, operation, request, body)
        return Response(made.body, made.status, {**_headers(), **made.headers})

    return endpoint


def _headers() -> dict[str, str]:
    return {**HEADERS, "x-github-request-id": uuid.uuid4().hex[:20].upper()}


def create_app(state: GitHubState) -> Starlette:
    """The application: serve it with `sandbox.standins.serving.Server`."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, GitHubError)  # noqa: S101 - registered for this class only
        limits: dict[str, str] = {}
        if error.status not in {401, 413} and "x-ratelimit-limit" not in error.headers:
            with state.lock:
                now = time.time()
                limits = state.limits.headers(_caller_or_nobody(state, request, now), now)
        return Response(
            json.dumps(error.body), error.status, {**_headers(), "content-type": JSON_TYPE, **limits, **error.headers}
        )

    async def unknown(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
        if request.url.path.startswith(CONTROL):
            return Response(error.detail, error.status_code)
        return await refused(request, not_implemented(f"{request.method} {request.url.path}"))

    routes = [
        Route(operation.path, _endpoint(state, operation), methods=[operation.method]) for operation in OPERATIONS
    ]
    return build_app(state, routes, {GitHubError: refused, HTTPException: unknown})


def _caller_or_nobody(state: GitHubState, request: Request, now: float) -> Caller:
    try:
        return _caller(state, request, now)
    except GitHubError:
        return Caller("nobody")
