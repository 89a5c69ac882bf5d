"""Passes HTTP requests on to another server, as they came: what stands in front of an API, and of a stand-in."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.shared.json_values import is_list, is_object
from sandbox.standins.serving import ABORT, Server

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.types import Receive, Scope, Send

HOP_HEADERS = frozenset({b"connection", b"content-length", b"keep-alive", b"transfer-encoding"})
"""Of one connection only: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1"""
PLACES = r"/_aws/(?:execute-api/[^/\"]+/[^/\"]+|lambda-url/[^/\"]+)"
"""Where the emulator serves a stage of an API, and a function's URL: under a path."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, its body as it was on the wire."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Forward:
    """An ASGI app. A target that does not answer is a closed connection, as a server that is down gives."""

    def __init__(self, target: Callable[[], str | None], timeout_seconds: float | None = None) -> None:
        """Nothing is opened before the first request.

        Args:
            target: the URL that paths are appended to; None while there is none.
            timeout_seconds: for an answer; None waits as long as the target takes.
        """
        self.target = target
        self._timeout = timeout_seconds
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back."""
        if scope["type"] == "http":
            await self.reply(scope, send, await self.ask(scope, receive))

    async def ask(self, scope: Scope, receive: Receive) -> Answer | None:
        """The target's answer; None while it is down, or when it dies over it."""
        body = await _body(receive)
        target = self.target()
        if target is None:
            return None
        query = scope["query_string"].decode()
        url = f"{target}{scope['raw_path'].decode()}" + (f"?{query}" if query else "")
        headers = [(name, value) for name, value in scope["headers"] if name not in HOP_HEADERS]
        import httpx  # a fifth of a second that only a stack with an API pays

        if self._client is None:
            # A connection a request: none is open when the server's loop ends, from which nobody could close it.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._client = httpx.AsyncClient(timeout=self._timeout, trust_env=False, limits=limits)
        with contextlib.suppress(httpx.TransportError):
            async with self._client.stream(scope["method"], url, headers=headers, content=body) as answer:
                kept = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in HOP_HEADERS]
                return Answer(answer.status_code, kept, b"".join([part async for part in answer.aiter_raw()]))
        return None

    @staticmethod
    async def reply(scope: Scope, send: Send, answer: Answer | None) -> None:
        """Hand an answer on."""
        if answer is None:
            await abort(scope)
            return
        headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})


async def abort(scope: Scope) -> None:
    """Close the connection without an answer."""
    scope[ABORT]()
    await asyncio.sleep(0.001)  # uvicorn learns of it in the loop's next turns


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


class Fronts:
    """A server of its own for each API and function URL, with the API at its root.

    The emulator has them under a path, where a page's links lead nowhere, and answers `/health` of an API's own host
    name itself.
    """

    def __init__(self, endpoint: str) -> None:
        self._places = re.compile(re.escape(endpoint) + PLACES)
        self._servers: dict[str, Server] = {}

    def moved(self, value: Any) -> Any:
        """The same value with each address of the emulator's replaced by that of a server, started when it is new."""
        if isinstance(value, str):
            return self._places.sub(lambda found: self._front(found[0]), value)
        if is_object(value):
            return {key: self.moved(item) for key, item in value.items()}
        return [self.moved(item) for item in value] if is_list(value) else value

    def _front(self, url: str) -> str:
        if url not in self._servers:
            self._servers[url] = Server(Forward(lambda: url)).start()
        return self._servers[url].url

    def stop(self) -> None:
        """Stop them."""
        for server in self._servers.values():
            server.stop()
