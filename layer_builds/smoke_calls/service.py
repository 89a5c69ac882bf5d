"""A web service of a smoke call's own, on the loopback interface: the network is off, and clients need a partner."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

_POLL_SECONDS = 0.02
"""How often the server looks whether it should end; the default is half a second, which every call would wait."""


class Service(BaseHTTPRequestHandler):
    """Answers with JSON, at once and without a log; a layer's smoke file adds what it answers to."""

    # Head and body are two packets: with Nagle's algorithm the second one waits 40 ms for the first one's receipt.
    disable_nagle_algorithm = True

    def document(self) -> Any:
        """The JSON of the request's body."""
        return json.loads(self.rfile.read(int(self.headers["content-length"])))

    def answer(self, status: int, document: Any) -> None:
        """Send JSON."""
        self.send(status, "application/json", json.dumps(document).encode())

    def send(self, status: int, kind: str, content: bytes) -> None:
        """Send content of a type."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@contextmanager
def serving(service: type[Service]) -> Generator[str]:
    """Run a service; gives its address, `http://127.0.0.1:<port>`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), service)
    ending = {"poll_interval": _POLL_SECONDS}
    threading.Thread(target=server.serve_forever, kwargs=ending, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
