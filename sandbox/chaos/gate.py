"""Stands between the function and the two stand-ins, counts requests, and lets the plan's faults happen to them.

It knows in which phase a caller is, because an upsert that arrives means "embedded, not stored", and one that was
answered means "stored, not replied". The caller is the function process at the other end of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread
import httpx

from sandbox.chaos.plan import PATHS
from sandbox.faults import ApiKeys, Faults, RequestLog
from sandbox.serving import ABORT, FaultyApp

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from sandbox.chaos.plan import Plan, Server, Step
    from sandbox.faults import Fault

FORWARD_SECONDS = 30.0
HOP_HEADERS = frozenset({b"connection", b"content-length", b"host", b"keep-alive", b"transfer-encoding"})
"""Of one connection only: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1"""
STORED, UNAUTHORIZED = 200, 401


class Hands(Protocol):
    """What the gate needs done elsewhere; each call blocks and runs in a thread of its own."""

    def kill_caller(self, port: int) -> bool:
        """SIGKILL the function process whose connection has this port; whether there was one."""
        ...

    def lose_answer(self) -> None:
        """SIGKILL the next function process that answers, and lose its answer."""
        ...

    def rotate(self, server: Server) -> None:
        """A new key for a server, in the secret and at the server; the old one is refused."""
        ...

    def kill_index(self) -> None:
        """SIGKILL the index server."""
        ...

    def start_index(self) -> None:
        """Start it again, with what it had stored."""
        ...


class _OneFault:
    """A server's state as `FaultyApp` wants it, with one fault."""

    def __init__(self, fault: Fault) -> None:
        self.faults = Faults()
        self.faults.script(fault)
        self.keys = ApiKeys(())
        self.log = RequestLog()


class Gate:
    """An ASGI app in front of one server."""

    def __init__(self, server: Server, plan: Plan) -> None:
        self._server: Server = server
        self._steps = plan.of(server)
        self._lock = threading.Lock()
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.target: Callable[[], str | None] = lambda: None
        """The server's URL; None while it is down."""
        self.hands: Hands | None = None
        self.requests = 0
        """Of the counted kind, so far."""
        self.happened: list[Step] = []
        """Faults that were carried out."""
        self.refusals = 0
        """Requests that the server refused for their key."""
        self.error: Exception | None = None
        """What went wrong with the run itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or do to it what the plan says."""
        if scope["type"] != "http":
            return
        step = self._next(scope["path"])
        if step is None:
            await self._forward(scope, receive, send)
        elif (fault := step.what().fault) is not None:
            self.happened.append(step)
            await FaultyApp(self._forward, _OneFault(fault))(scope, receive, send)
        else:
            await self._act(step, scope, receive, send)

    def _next(self, path: str) -> Step | None:
        if path != PATHS[self._server] or self.hands is None:
            return None
        with self._lock:
            self.requests += 1
            return self._steps.get(self.requests)

    async def _act(self, step: Step, scope: Scope, receive: Receive, send: Send) -> None:
        """An action of our own. One that cannot be as planned (an upsert that is not stored) is put off."""
        hands, answer = self.hands, None
        assert hands is not None  # noqa: S101 - no step is handed out without
        if step.kind in {"rotate", "lose-answer"}:
            work = partial(hands.rotate, self._server) if step.kind == "rotate" else hands.lose_answer
            await anyio.to_thread.run_sync(work)
            self.happened.append(step)
            await self._forward(scope, receive, send)
            return
        if step.kind in {"kill-after", "restart-after"}:
            answer = await self._ask(scope, receive)
            if answer is None or answer.status_code != STORED:
                self._put_off(step)
                await _reply(scope, send, answer)
                return
        if step.kind in {"restart-before", "restart-after"}:
            await anyio.to_thread.run_sync(hands.kill_index)
            self._later(hands.start_index)
            self.happened.append(step)
        elif await anyio.to_thread.run_sync(hands.kill_caller, int(scope["client"][1])):
            self.happened.append(step)
        else:
            self._put_off(step)  # the caller has gone already
        await _abort(scope)

    def _put_off(self, step: Step) -> None:
        """To the next request that has no fault of its own."""
        with self._lock:
            self._steps[next(n for n in count(self.requests + 1) if n not in self._steps)] = step

    def _later(self, work: Callable[[], None]) -> None:
        async def run() -> None:
            try:
                await anyio.to_thread.run_sync(work)
            except Exception as error:  # noqa: BLE001 - raised where the run waits
                self.error = error

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request to the server and its answer back."""
        await _reply(scope, send, await self._ask(scope, receive))

    async def _ask(self, scope: Scope, receive: Receive) -> httpx.Response | None:
        """The server's answer; None while it is down, or when it dies over it."""
        body = await _body(receive)
        target = self.target()
        query = scope["query_string"].decode()
        url = f"{target}{scope['raw_path'].decode()}" + (f"?{query}" if query else "")
        headers = [(name, value) for name, value in scope["headers"] if name not in HOP_HEADERS]
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=FORWARD_SECONDS, trust_env=False)
        if target is not None:
            with contextlib.suppress(httpx.TransportError):
                answer = await self._client.request(scope["method"], url, headers=headers, content=body)
                self.refusals += answer.status_code == UNAUTHORIZED
                return answer
        return None


async def _reply(scope: Scope, send: Send, answer: httpx.Response | None) -> None:
    """Hand an answer on; none is a closed connection, as a server that is down gives."""
    if answer is None:
        await _abort(scope)
        return
    kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in HOP_HEADERS]
    kept.append((b"content-length", str(len(answer.content)).encode()))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": kept})
    await send({"type": "http.response.body", "body": answer.content})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _abort(scope: Scope) -> None:
    scope[ABORT]()
    await asyncio.sleep(0.001)  # uvicorn learns of it in the loop's next turns
