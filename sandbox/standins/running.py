"""A stand-in of a running sandbox: its address from the start, its state once what it serves can be made."""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from sandbox.standins import addresses, stand_in
from sandbox.standins.serving import Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from sandbox.standins.rpc import RpcServer


class _Later:
    """An ASGI app that exists from the start, so its port is known, and is filled in when it can be made."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"the sandbox is still starting"})


def _rpc_server(port: int = 0) -> RpcServer:
    from sandbox.standins.rpc import RpcServer  # gRPC's library, for those that have it

    return RpcServer(port).start()


class Running:
    """One stand-in. It listens from the start, and answers 503 until `open`."""

    state: Any
    """The server's state, once it is open: faults, keys, request log, and what is its own."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.declared = stand_in(service)
        self.key = f"{self.declared.key_prefix}{secrets.token_hex(12)}"
        """What callers authenticate with."""
        self._later = _Later()
        self._server = Server(self._later).start()
        self.url = self._server.url
        self._rpc = _rpc_server() if self.declared.rpc else None
        self._opened: tuple[Path, Mapping[str, Any]] | None = None
        self._opening: Future[None] | None = None

    @property
    def urls(self) -> dict[str, str]:
        """Where it is, by the names of `sandbox.standins.addresses`."""
        urls = [self.url, self._rpc.url] if self._rpc else [self.url]
        return dict(zip(addresses(self.service), urls, strict=True))

    def begin(self, data: Path, options: Mapping[str, Any]) -> None:
        """`open` in a thread, while other things start: `opened` waits for it."""
        opening = self._opening = Future[None]()

        def work() -> None:
            try:
                self.open(data, options)
                opening.set_result(None)
            except BaseException as error:  # noqa: BLE001 - raised by `opened`
                opening.set_exception(error)

        threading.Thread(target=work, name=f"open {self.service}", daemon=True).start()

    def opened(self) -> None:
        """Wait until what `begin` began is done; what went wrong is raised."""
        if self._opening is not None:
            self._opening.result()

    def open(self, data: Path, options: Mapping[str, Any]) -> None:
        """Make what it serves.

        Args:
            data: a folder of its own.
            options: its own, by name.
        """
        self._opened = data, options
        self.state = self.declared.open(self.key, data, **options)
        self._later.app = self.declared.app(self.state)
        if self._rpc and self.declared.rpc:
            self._rpc.serve(self.state, self.declared.rpc(self.state), self.declared.metadata)

    def rotate(self, key: str) -> None:
        """Accept this key from now on, and no other."""
        self.key = key
        self.state.keys.rotate(key)

    def restart(self, down_seconds: float = 0.0) -> None:
        """Stop it, and start a new one on the same port with what is on disk.

        Args:
            down_seconds: how long nobody answers.
        """
        assert self._opened is not None  # noqa: S101 - only an open one is restarted
        self.stop()
        time.sleep(down_seconds)
        self._later = _Later()
        if self._rpc:
            self._rpc = _rpc_server(self._rpc.port)
        self.open(*self._opened)
        self._server = Server(self._later, self._server.port).start()

    def stop(self) -> None:
        """Stop it; a second call does nothing."""
        if self._opening is not None:
            self._opening.exception()  # what is half open could not be closed
        self._server.stop()
        if self._rpc:
            self._rpc.stop()
        if self._later.app is not None:
            self.state.close()
