"""An endpoint in front of the emulator: some requests it answers itself, every other one it passes on."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.account import Account


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Front:
    """Use as a context manager; gives its address."""

    def __init__(self, account: Account) -> None:
        self.account = account
        handler = type("Handler", (_Handler,), {"front": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def own(self, request: str, target: str, body: bytes) -> Answer | None:
        """Answer a request, given as `METHOD path` and its X-Amz-Target; None passes it on."""
        raise NotImplementedError


class _Handler(BaseHTTPRequestHandler):
    front: ClassVar[Front]

    def handle_one(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        answer = self.front.own(f"{self.command} {self.path}", target, body) or self.pass_on(body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815 (names of http.server)

    def pass_on(self, body: bytes) -> Answer:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        address = self.front.account.endpoint + self.path
        request = urllib.request.Request(address, body or None, headers, method=self.command)  # noqa: S310 (the emulator)
        try:
            with urllib.request.urlopen(request) as found:  # noqa: S310
                return Answer(found.status, found.read(), dict(found.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read(), dict(error.headers))

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        pass
