"""A vulnerability service on the loopback: the part of the OSV protocol that `uv audit` speaks, and an index beside it.

Protocol: https://google.github.io/osv.dev/api/. It answers from the advisories it is given, by their version ranges.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from packaging.version import Version

# Identifiers, ranges and summaries of two real advisories; texts left out.
# https://github.com/advisories/GHSA-vqfr-h8mv-ghfj and https://osv.dev/vulnerability/PYSEC-2018-28 (both CC-BY-4.0).
H11 = {
    "id": "GHSA-vqfr-h8mv-ghfj",
    "modified": "2025-04-24T21:41:36Z",
    "published": "2025-04-24T16:07:56Z",
    "aliases": ["CVE-2025-43859"],
    "summary": "h11 accepts some malformed Chunked-Encoding bodies",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "h11"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "0.16.0"}]}],
        }
    ],
}
REQUESTS = {
    "id": "PYSEC-2018-28",
    "modified": "2021-06-16T00:03:24.800813Z",
    "published": "2018-10-09T17:29:00Z",
    "aliases": ["CVE-2018-18074"],
    "details": "The Requests package before 2.20.0 for Python sends an HTTP Authorization header to an http URI",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "requests"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.20.0"}]}],
        }
    ],
}


class OsvServer:
    """Starts with `with`; `url` is the service's address and `index` that of the package index."""

    def __init__(self, *advisories: dict[str, Any]) -> None:
        self.advisories = {str(one["id"]): one for one in advisories}
        self.statuses: dict[str, str] = {}
        self.fail: tuple[int, bytes] | None = None
        """Instead of every answer of the service: status and body."""
        self.asked: list[tuple[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/"

    @property
    def index(self) -> str:
        return f"{self.url}simple"

    def __enter__(self) -> OsvServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def batch(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for query in queries:
            name, version = query["package"]["name"], query["version"]
            self.asked.append((name, version))
            found = [one for one in self.advisories.values() if _affects(one, name, version)]
            results.append(
                {"vulns": [{"id": one["id"], "modified": one["modified"]} for one in found]} if found else {}
            )
        return {"results": results}

    def project(self, name: str) -> dict[str, Any]:
        # https://packaging.python.org/en/latest/specifications/project-status-markers/
        status = {"status": self.statuses.get(name, "active")}
        return {"meta": {"api-version": "1.4"}, "name": name, "versions": [], "files": [], "project-status": status}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                return

            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(200 if self.path == "/v1/querybatch" else 404, server.batch(query["queries"]))

            def do_GET(self) -> None:
                parts = self.path.strip("/").split("/")
                if parts[0] == "simple":
                    self.send(200, "application/vnd.pypi.simple.v1+json", json.dumps(server.project(parts[1])).encode())
                elif parts[:2] == ["v1", "vulns"] and parts[2] in server.advisories:
                    self.answer(200, server.advisories[parts[2]])
                else:
                    self.answer(404, {"code": 5, "message": "Bug not found."})

            def answer(self, status: int, body: dict[str, Any]) -> None:
                status, content = server.fail or (status, json.dumps(body).encode())
                self.send(status, "application/json", content)

            def send(self, status: int, kind: str, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler


def _affects(advisory: dict[str, Any], name: str, version: str) -> bool:
    for affected in advisory["affected"]:
        if affected["package"] != {"ecosystem": "PyPI", "name": name}:
            continue
        for span in affected["ranges"]:
            bounds = {key: Version(value) for event in span["events"] for key, value in event.items()}
            if bounds["introduced"] <= Version(version) and not (
                "fixed" in bounds and Version(version) >= bounds["fixed"]
            ):
                return True
    return False
