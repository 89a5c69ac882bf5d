"""An endpoint in front of the emulator that refuses some requests, as AWS does: throttled, or a right is lacking."""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.account import Account

THROTTLED = (429, "TooManyRequestsException")
FORBIDDEN = (403, "AccessDeniedException")


class Refusing:
    """Use as a context manager; gives its address.

    Of the requests whose `METHOD path` holds `pattern`, the first `after` pass, the next `times` are refused.
    """

    def __init__(self, account: Account, pattern: str, answer: tuple[int, str], *, after: int = 0, times: int) -> None:
        self.account, self.pattern, self.refusal = account, pattern, answer
        self.refused = range(after, after + times)
        self.seen = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def refuses(self, request: str) -> bool:
        """Whether this one is to be refused; counts those that the pattern is about."""
        if not re.search(self.pattern, request):
            return False
        self.seen += 1
        return self.seen - 1 in self.refused

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        front = self

        class Handler(BaseHTTPRequestHandler):
            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if front.refuses(f"{self.command} {self.path}"):
                    status, code = front.refusal
                    return self.answer(status, json.dumps({"message": code}).encode(), {"x-amzn-ErrorType": code})
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                address = front.account.endpoint + self.path
                request = urllib.request.Request(address, body or None, headers, method=self.command)  # noqa: S310 (the emulator)
                try:
                    with urllib.request.urlopen(request) as answer:  # noqa: S310
                        return self.answer(answer.status, answer.read(), dict(answer.headers))
                except urllib.error.HTTPError as error:
                    return self.answer(error.code, error.read(), dict(error.headers))

            do_GET = do_POST = do_PUT = do_DELETE = pass_on  # noqa: N815 (names of http.server)

            def answer(self, status: int, body: bytes, headers: dict[str, Any]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:  # type: ignore[override]
                pass

        return Handler
