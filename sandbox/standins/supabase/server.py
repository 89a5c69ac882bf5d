"""A server that speaks Supabase's REST API (PostgREST behind its gateway) over a real PostgreSQL with pgvector.

Not Supabase, and it says so. Rows, types, constraints, row level security, vectors and their indexes are PostgreSQL's
own. What PostgREST has and nobody here needs (resource embedding, CSV, full-text operators) is refused with 501, never
answered wrongly; so are Supabase's other services.

Run it alone: `python -m sandbox.standins supabase --port 8083 --data FOLDER`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import psycopg
from starlette.responses import Response
from starlette.routing import Route

from sandbox.standins.serving import ServerState, add_detail, build_app
from sandbox.standins.supabase import asked as headers_of
from sandbox.standins.supabase import errors, query
from sandbox.standins.supabase.connections import Connections
from sandbox.standins.supabase.errors import RefusedError, not_played
from sandbox.standins.supabase.keys import SECRET_PREFIX, ProjectKeys
from sandbox.standins.supabase.postgres import Cluster
from sandbox.standins.supabase.work import Answer, Work, on_function, on_table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.applications import Starlette
    from starlette.requests import Request

DEFAULT_KEY: Final = f"{SECRET_PREFIX}local"
CONNECTIONS: Final = 20
HEADERS: Final = {"x-strata-stand-in": "PostgREST's protocol over a local PostgreSQL, not Supabase"}
JSON: Final = "application/json; charset=utf-8"
TABLE_METHODS: Final = ("GET", "HEAD", "POST", "PATCH", "DELETE")
FUNCTION_METHODS: Final = ("GET", "HEAD", "POST")


class SupabaseState(ServerState):
    """A project: its database, its keys, the faults and the log of its API."""

    keys: ProjectKeys

    def __init__(
        self,
        *,
        keys: Iterable[str] = (DEFAULT_KEY,),
        data: Path | None = None,
        cluster: Cluster | None = None,
        database: str = "postgres",
    ) -> None:
        """Open the project; its database server is started where none is given.

        Args:
            keys: API keys of the new kind; the legacy ones are made.
            data: folder of the database server; None takes a temporary one.
            cluster: a running server to use instead; it is not stopped with this.
            database: of that server.
        """
        super().__init__()
        self.keys = ProjectKeys(keys)
        self.database = database
        self._temporary = tempfile.TemporaryDirectory(prefix="strata-supabase-") if not (cluster or data) else None
        folder = Path(self._temporary.name) if self._temporary else data
        self._own = cluster is None
        if cluster is None:
            assert folder is not None  # noqa: S101 - one of the two
            cluster = Cluster(folder / "postgres").start()
        self.cluster = cluster
        self.connections = Connections(lambda: self.url("authenticator"))
        self.limiter = anyio.CapacityLimiter(CONNECTIONS)

    def url(self, role: str = "postgres") -> str:
        """The database's own address, for migrations; with a password, so a secret."""
        return self.cluster.url(role, self.database)

    def close(self) -> None:
        """Let go of the database, and stop its server unless it is another's."""
        self.connections.close()
        if self._own:
            self.cluster.stop()
        if self._temporary is not None:
            self.cluster.discard()
            self._temporary.cleanup()


def _json(raw: bytes, content_type: str) -> Any:
    if not raw:
        return None
    if content_type.partition(";")[0].strip() not in {"application/json", "", "application/vnd.pgrst.object+json"}:
        raise RefusedError(415, "PGRST107", f"Content-Type not acceptable: {content_type}")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(400, "PGRST102", "Empty or invalid json") from None


def _done(state: SupabaseState, do: Callable[..., Answer], name: str, work: Work) -> Answer:
    """Carry one request out, in a thread of its own."""
    try:
        with state.connections.transaction() as connection:
            return do(connection, name, work)
    except ConnectionError as error:
        raise errors.unreachable(error) from None
    except psycopg.Error as error:
        raise errors.of_database(error, str(work.claims["role"])) from None


def create_app(state: SupabaseState) -> Starlette:
    """The application: serve it with `sandbox.standins.serving.Server`."""

    def endpoint(
        do: Callable[..., Answer], allowed: tuple[str, ...], refusal: str, *, arguments: bool
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            claims = state.keys.claims(request.headers)
            method, name = request.method, request.path_params["name"]
            if method not in allowed:
                raise RefusedError(405, refusal, f"Unsupported HTTP method: {method}")
            raw = await request.body()
            add_detail(request, name=name, role=claims["role"], bytes=len(raw))
            asked = headers_of.read(request.headers, method)
            parsed = query.parse(request.url.query, arguments=arguments and method != "POST")
            body = _json(raw, request.headers.get("content-type", "")) if method in {"POST", "PATCH"} else None
            work = Work(method, parsed, asked, claims, body)
            done = await anyio.to_thread.run_sync(_done, state, do, name, work, limiter=state.limiter)
            add_detail(request, rows=done.rows)
            return _response(done, work)

        return answer

    async def elsewhere(request: Request) -> Response:
        state.keys.claims(request.headers)
        raise not_played(f"{request.url.path}: only tables and functions under /rest/v1/")

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)  # noqa: S101 - registered for this class only
        return Response(json.dumps(error.body), error.status, HEADERS, media_type=JSON)

    every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    called = endpoint(on_function, FUNCTION_METHODS, "PGRST101", arguments=True)
    asked_of_table = endpoint(on_table, TABLE_METHODS, "PGRST117", arguments=False)
    routes = [
        Route("/rest/v1/rpc/{name}", called, methods=every),
        Route("/rest/v1/{name}", asked_of_table, methods=every),
        Route("/{path:path}", elsewhere, methods=every),
    ]
    app = build_app(state, routes, {RefusedError: refused})
    # The control routes come first: the last of ours takes every path.
    app.router.routes.sort(key=lambda route: getattr(route, "path", "") == "/{path:path}")
    return app


def _response(answer: Answer, work: Work) -> Response:
    headers = HEADERS | answer.headers
    if work.asked.applied:
        headers["Preference-Applied"] = ", ".join(work.asked.applied)
    body = "" if work.method == "HEAD" else answer.body
    single = "application/vnd.pgrst.object+json; charset=utf-8"
    return Response(body, answer.status, headers, media_type=single if work.asked.single else JSON)
