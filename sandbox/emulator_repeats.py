"""A deployment tool that repeats a request it was already answered gets the same answer again.

On a busy machine the real AWS provider (a Go program) now and then closes a connection between the head of an answer
and its body, and sends the request once more under the same `amz-sdk-invocation-id`: about once in 500 requests at a
load of 20. A create that was done would then be done twice, or refused because the thing exists, and an `up` would
leave something behind or fail. Only this tool is treated so: what functions repeat is theirs to get right.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message, Receive, Scope, Send

TOOL = b"HashiCorp"
"""What the provider's User-Agent contains."""
READS = ("GET", "HEAD")
KEPT = 2_000
"""Answers that are remembered, the newest."""
REFUSED = 300
"""From this status on a request has changed nothing, and is asked anew."""


class Answer:
    """What a request was answered, once it is `done`."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.done = asyncio.Event()

    @property
    def stands(self) -> bool:
        """Whether it says that the request was done."""
        return bool(self.messages) and self.messages[0]["status"] < REFUSED


class Repeats:
    """Stands in front of the emulator's ASGI application."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app
        self._answers: OrderedDict[bytes, Answer] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if (invocation := _invocation(scope)) is None:
            await self._app(scope, receive, send)
            return
        if (first := self._answers.get(invocation)) is not None:
            await first.done.wait()
            if first.stands:
                await _drained(receive)
                for message in first.messages:
                    await send(message)
                return
        await self._serve(invocation, scope, receive, send)

    async def _serve(self, invocation: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answers[invocation] = Answer()
        if len(self._answers) > KEPT:
            self._answers.popitem(last=False)

        async def noted(message: Message) -> None:
            answer.messages.append(message)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            answer.done.set()


def _invocation(scope: Scope) -> bytes | None:
    """The id that all attempts of one call by the deployment tool share; None for every other request."""
    if scope["type"] != "http" or scope["method"] in READS:
        return None
    headers: dict[bytes, Any] = dict(scope["headers"])
    return headers.get(b"amz-sdk-invocation-id") if TOOL in headers.get(b"user-agent", b"") else None


async def _drained(receive: Receive) -> None:
    """Read a request's body: a connection on which some of it is still to come cannot be used again."""
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass
