"""Embeddings servers of the world: each takes and refuses what its rule says, over real HTTP."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.lambdas.embedding.conftest import HashedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rule answers instead of vectors."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])


def refusal(status: int, message: str, **more: Any) -> Answer:
    """An answer in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None} | more
    return Answer(status, json.dumps({"error": error}))


@dataclass
class EmbeddingsServer:
    """What the server was asked, and what it does about it."""

    rule: Callable[[list[str], dict[str, Any]], Answer | None] = lambda texts, request: None
    """Sees the texts and the whole request; None answers vectors."""
    spoil: Callable[[str, np.ndarray[Any, Any]], Any] = lambda text, vector: vector
    """What is answered for a text instead of its vector: an array, None, or a list."""
    requests: list[list[str]] = field(default_factory=list[list[str]])
    url: str = ""

    def answer(self, request: dict[str, Any]) -> Answer:
        texts: list[str] = request["input"]
        self.requests.append(texts)
        refused = self.rule(texts, request)
        if refused is not None:
            return refused
        as_base64 = request["encoding_format"] == "base64"
        data = []
        for index, (text, vector) in enumerate(zip(texts, HashedModel().embed(texts), strict=True)):
            spoilt = self.spoil(text, vector)
            if spoilt is None:
                data.append(None)
                continue
            if not isinstance(spoilt, list):
                spoilt = base64.b64encode(spoilt.tobytes()).decode() if as_base64 else spoilt.tolist()
            data.append({"object": "embedding", "index": index, "embedding": spoilt})
        return Answer(200, json.dumps({"object": "list", "model": "m", "data": data}))

    def of(self, text: str) -> int:
        """How often a text was asked for."""
        return sum(text in texts for texts in self.requests)


@contextmanager
def embeddings_server(**behaviour: Any) -> Generator[EmbeddingsServer]:
    """Serve on a free port of loopback."""
    state = EmbeddingsServer(**behaviour)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            answer = state.answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            body = answer.body.encode()
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield state
        server.shutdown()
        thread.join()
