"""Serve a stand-in on loopback: in a thread of a test, or in a process of its own.

Owns the wire: sockets, starting and stopping, carrying out faults (`faults.py`) and the `/_sandbox/*` routes by which
another process scripts faults, rotates keys and reads the request log. It does not know what is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from sandbox.standins.faults import ApiKeys, Fault, Faults, RequestLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL = "/_sandbox/"
ABORT = "strata.abort"
"""Key of the ASGI scope: closes the connection at once."""
DETAIL = "strata.detail"
"""Key of the ASGI scope: what the served app adds to the request log."""
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServerState:
    """What every stand-in's state has: the keys that it accepts, the faults it is told to have, its request log."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys = ApiKeys(keys)
        self.faults = Faults()
        self.log = RequestLog()

    def close(self) -> None:
        """Let go of what it holds open; nothing, here."""


class _AbortableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, handing the app a way to drop the connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_abort(scope: Any, receive: Any, send: Any) -> None:
            scope[ABORT] = transport.abort
            await app(scope, receive, send)

        self.app = with_abort


class _DroppedError(Exception):
    """The connection is gone: nothing more is to be sent."""


class FaultyApp:
    """An ASGI app that logs requests to the wrapped one and applies the scripted faults."""

    def __init__(self, app: ASGIApp, state: ServerState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self._app(scope, receive, send)
            return
        entry = _Entry(self._state.log, scope["method"], scope["path"])
        scope[DETAIL] = entry.detail
        fault = self._state.faults.next(scope["path"])

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
            elif not message.get("more_body"):
                entry.add()  # before the client can know that it was answered
            await send(message)

        try:
            await self._answer(fault, scope, receive, watched)
        except (_DroppedError, ClientDisconnect, asyncio.CancelledError):  # the last when the server stops meanwhile
            entry.status = None
            scope[ABORT]()
            await asyncio.sleep(0.001)  # uvicorn learns of it in the loop's next turns
        finally:
            entry.add()

    async def _answer(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.delay_seconds:
            receive = await _delayed(fault.delay_seconds, receive)
        if fault.drop == "before":
            raise _DroppedError
        if fault.drop is not None:
            await self._app(scope, receive, _cut(fault.drop, send))
        elif fault.status is not None or fault.body is not None:
            body = fault.body if fault.body is not None else f"{fault.status}, as scripted"
            headers = {"content-type": "application/json"} | dict(fault.headers)
            await Response(body, fault.status or 200, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _Entry:
    """A request's entry in the log, added once."""

    def __init__(self, log: RequestLog, method: str, path: str) -> None:
        self.status: int | None = None
        self.detail: dict[str, Any] = {}
        self._log, self._method, self._path = log, method, path
        self._started = time.time()
        self._added = False

    def add(self) -> None:
        if not self._added:
            self._added = True
            self._log.add(self._method, self._path, self.status, self._started, self.detail)


async def _delayed(seconds: float, receive: Receive) -> Receive:
    """Read the request, wait, and hand it on; a client that gives up meanwhile is not served."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    gone = asyncio.ensure_future(receive())
    try:
        if (await asyncio.wait({gone}, timeout=seconds))[0]:
            raise _DroppedError
    finally:
        gone.cancel()
    replayed = iter(messages)

    async def again() -> Message:
        return next(replayed, None) or await receive()

    return again


def _cut(drop: str, send: Send) -> Send:
    """A `send` that ends the connection before the answer, or in the middle of its body."""

    async def cut(message: Message) -> None:
        if drop == "body" and message["type"] == "http.response.start":
            await send(message)
            return
        if drop == "body":
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0.05)  # let it reach the client before the reset does
        raise _DroppedError

    return cut


def control_routes(state: ServerState) -> list[Route]:
    """The routes under `/_sandbox/` for a process that cannot reach the state object."""

    async def script(request: Request) -> Response:
        try:
            plan = await request.json()
            faults = [None if item is None else Fault.from_json(item) for item in plan["faults"]]
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(400, f'send {{"faults": [null, {{"status": 500}}], "path": null}}: {error}') from error
        state.faults.script(*faults, path=plan.get("path"))
        return JSONResponse({"left": state.faults.left()})

    async def clear(_: Request) -> Response:
        state.faults.clear()
        return JSONResponse({})

    async def rotate(request: Request) -> Response:
        try:
            keys = [str(key) for key in (await request.json())["keys"]]
        except (ValueError, KeyError, TypeError) as error:
            raise HTTPException(400, 'send {"keys": ["…"]}') from error
        state.keys.rotate(*keys)
        return JSONResponse({"accepted": len(keys)})

    async def requests(_: Request) -> Response:
        return JSONResponse(state.log.to_json())

    async def health(_: Request) -> Response:
        return JSONResponse({"ok": True})

    return [
        Route(f"{CONTROL}faults", script, methods=["POST"]),
        Route(f"{CONTROL}faults", clear, methods=["DELETE"]),
        Route(f"{CONTROL}keys", rotate, methods=["PUT"]),
        Route(f"{CONTROL}requests", requests),
        Route(f"{CONTROL}health", health),
    ]


def add_detail(request: Request, **values: Any) -> None:
    """Add counts to the request's entry in the log."""
    request.scope.get(DETAIL, {}).update(values)


def build_app(state: ServerState, routes: Sequence[Route], handlers: Any = None) -> Starlette:
    """The application of a stand-in: its routes, the control routes, and faults around them."""
    app = Starlette(routes=[*routes, *control_routes(state)], exception_handlers=handlers)
    app.add_middleware(FaultyApp, state=state)
    return app


def listen(port: int = 0) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes a free one."""
    # With the protocol named: asyncio turns Nagle's algorithm off only then, which else costs each answer 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(128)
    return sock


def _uvicorn(app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=_AbortableProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=60,
    )
    return uvicorn.Server(config)


class Server:
    """A stand-in served from a thread, until `stop`; also a context manager."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        self._socket = listen(port)
        self._server = _uvicorn(app)
        self._thread = threading.Thread(target=self._run, name="strata-stand-in", daemon=True)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._socket]))

    def start(self) -> Server:
        """Start, and return once requests are answered."""
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > end:
                raise RuntimeError(f"the stand-in on port {self.port} did not start within {START_SECONDS:.0f} s")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop, closing connections that are still open; a second call does nothing."""
        self._server.should_exit = True
        self._server.force_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self._socket.close()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run_process(app: Callable[[], ASGIApp], port: int, port_file: Path | None) -> None:
    """Serve in this process until a signal; the port file appears, whole, when requests are answered."""
    sock = listen(port)
    server = _uvicorn(app())

    async def announce() -> None:
        while not server.started:
            await asyncio.sleep(0.005)
        text = str(sock.getsockname()[1])
        print(f"listening on http://127.0.0.1:{text}", flush=True)
        if port_file is not None:
            part = port_file.with_name(f"{port_file.name}.{os.getpid()}")
            part.write_text(text, encoding="utf-8")
            part.replace(port_file)

    async def main() -> None:
        task = asyncio.create_task(announce())
        await server.serve(sockets=[sock])
        task.cancel()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
