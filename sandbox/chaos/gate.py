"""Stands between the function and a stand-in, counts requests, and lets the plan's faults happen to them.

It knows in which phase a caller is: a request that arrives is work not yet done by the service, one that was answered
is work done and not yet reported. The caller is the function process at the other end of the connection.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Protocol

import anyio.to_thread

from sandbox.forward import Forward, abort
from sandbox.standins.serving import FaultyApp, ServerState

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from sandbox.chaos.plan import Plan, Step
    from sandbox.cloud import LocalCloud
    from sandbox.forward import Answer

FORWARD_SECONDS = 30.0
DONE, UNAUTHORIZED = range(200, 300), 401
DOWN_SECONDS = 4.0
ACTIONS = ("kill", "kill-before", "kill-after", "lose-answer", "rotate", "down", "restart-before", "restart-after")
"""What the gate does itself: the caller killed before or after the service works, or before its answer reaches the
queue; a new key; nobody answers for a while; the service killed before or after its work, and started again."""


class Hands(Protocol):
    """What the gate needs done elsewhere; each call blocks and runs in a thread of its own."""

    def kill_caller(self, port: int) -> bool:
        """SIGKILL the function process whose connection has this port; whether there was one."""
        ...

    def lose_answer(self) -> None:
        """SIGKILL the next function process that answers, and lose its answer."""
        ...

    def rotate(self, service: str) -> None:
        """A new key, in the secrets and at the service; the old one is refused."""
        ...

    def act(self, act: Callable[[LocalCloud], object]) -> object:
        """Do what a system's part says."""
        ...

    def kill_service(self, service: str) -> None:
        """SIGKILL the service's process."""
        ...

    def start_service(self, service: str) -> None:
        """Start it again, with what it had stored."""
        ...


class Gate:
    """An ASGI app in front of one stand-in."""

    def __init__(self, service: str, counted: str, plan: Plan) -> None:
        """Nothing is passed on before `forward` has a target.

        Args:
            service: what it stands in front of.
            counted: regular expression for all of `METHOD /path` of the requests that count, and suffer.
            plan: the faults.
        """
        self._service = service
        self._counted = re.compile(counted)
        self._down_until = 0.0
        self._plan = plan
        self._steps = plan.of(service)
        self._lock = threading.Lock()
        self.forward = Forward(lambda: None, FORWARD_SECONDS)
        """Its target is the stand-in, once that runs."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.hands: Hands | None = None
        self.requests = 0
        """Of the counted kind, so far."""
        self.happened: list[Step] = []
        """Faults that were carried out."""
        self.refusals = 0
        """Requests that the stand-in refused for their key."""
        self.error: Exception | None = None
        """What went wrong with the run itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or do to it what the plan says."""
        if scope["type"] != "http":
            return
        if time.monotonic() < self._down_until:
            await abort(scope)
            return
        step = self._next(f"{scope['method']} {scope['path']}")
        if step is None:
            await self._pass_on(scope, receive, send)
        elif (fault := self._plan.kind(step).fault) is not None:
            self.happened.append(step)
            state = ServerState()
            state.faults.script(fault)
            await FaultyApp(self._pass_on, state)(scope, receive, send)
        else:
            await self._act(step, scope, receive, send)

    def _next(self, request: str) -> Step | None:
        if self.hands is None or self._counted.fullmatch(request) is None:
            return None
        with self._lock:
            self.requests += 1
            return self._steps.get(self.requests)

    async def _act(self, step: Step, scope: Scope, receive: Receive, send: Send) -> None:
        """An action of our own. One that cannot be as planned (work that is not done) is put off."""
        hands, answer = self.hands, None
        assert hands is not None  # noqa: S101 - no step is handed out without
        if (work := self._before(step, hands)) is not None:
            await anyio.to_thread.run_sync(work)
            self.happened.append(step)
            await self._pass_on(scope, receive, send)
            return
        if step.kind in {"kill-after", "restart-after"}:
            answer = await self._ask(scope, receive)
            if answer is None or answer.status not in DONE:
                self._put_off(step)
                await self.forward.reply(scope, send, answer)
                return
        if step.kind == "down":
            self._down_until = time.monotonic() + DOWN_SECONDS
            self.happened.append(step)
        elif step.kind in {"restart-before", "restart-after"}:
            await anyio.to_thread.run_sync(hands.kill_service, self._service)
            self._later(partial(hands.start_service, self._service))
            self.happened.append(step)
        elif await anyio.to_thread.run_sync(hands.kill_caller, int(scope["client"][1])):
            self.happened.append(step)
        else:
            self._put_off(step)  # the caller has gone already
        await abort(scope)

    def _before(self, step: Step, hands: Hands) -> Callable[[], object] | None:
        """What is done before the request is passed on as it is; None where the request itself has to suffer."""
        if (act := self._plan.kind(step).act) is not None:
            return partial(hands.act, act)
        return {"rotate": partial(hands.rotate, self._service), "lose-answer": hands.lose_answer}.get(step.kind)

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

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The request to the stand-in and its answer back."""
        await self.forward.reply(scope, send, await self._ask(scope, receive))

    async def _ask(self, scope: Scope, receive: Receive) -> Answer | None:
        answer = await self.forward.ask(scope, receive)
        self.refusals += answer is not None and answer.status == UNAUTHORIZED
        return answer
