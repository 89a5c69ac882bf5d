"""A container registry's API and Docker's command line, as far as publishing sees them: for tests without an engine."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.processes import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

PASSWORD = "a-token-of-the-registry"
IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class FakeRegistry:
    """Manifests and configurations behind basic authentication."""

    host: str = ""
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """Tag → content type and body."""
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    password: str | None = PASSWORD
    """None is a public registry, which gives everybody a token."""
    answer: int | None = None
    """Set: the status of every answer."""
    digest_header: str | None = None
    asked: list[str] = field(default_factory=list[str])
    elsewhere: str | None = None
    """Set: where blobs are redirected to."""

    def put(self, tag: str, labels: Mapping[str, str], *, architecture: str = "amd64") -> str:
        """Store an image; its manifest's digest."""
        config = json.dumps({"os": "linux", "architecture": architecture, "config": {"Labels": dict(labels)}}).encode()
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self.blobs[digest] = config
        body = json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": {"digest": digest}, "layers": []}).encode()
        self.manifests[tag] = (IMAGE, body)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def put_index(self, tag: str) -> str:
        """Store an index; its digest."""
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
        self.manifests[tag] = (INDEX, body)
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def get(self, path: str, authorization: str) -> tuple[int, dict[str, str], bytes]:
        """What a GET is answered with: status, headers, body."""
        self.asked.append(path)
        refused = self._refused(authorization)
        if path.startswith("/token?"):
            return 200, {}, json.dumps({"token": "for-anybody"}).encode()
        if self.answer is not None or refused is not None:
            return (self.answer or 401), refused or {}, b'{"errors": []}'
        kind, _, name = path.removeprefix("/v2/some/images/").partition("/")
        if kind == "manifests" and name in self.manifests:
            content_type, body = self.manifests[name]
            digest = self.digest_header or f"sha256:{hashlib.sha256(body).hexdigest()}"
            return 200, {"Content-Type": content_type, "Docker-Content-Digest": digest}, body
        if kind == "blobs" and self.elsewhere is not None:
            return 307, {"Location": f"{self.elsewhere}{path}"}, b""
        return (200, {}, self.blobs[name]) if kind == "blobs" and name in self.blobs else (404, {}, b"{}")

    def _refused(self, authorization: str) -> dict[str, str] | None:
        """The challenge, unless the right credentials came along."""
        if self.password is None:
            challenge = f'Bearer realm="http://{self.host}/token",service="{self.host}",scope="aws"'
            return None if authorization == "Bearer for-anybody" else {"WWW-Authenticate": challenge}
        wanted = f"Basic {base64.b64encode(f'AWS:{self.password}'.encode()).decode()}"
        return None if authorization == wanted else {"WWW-Authenticate": 'Basic realm="registry"'}

    @property
    def repository(self) -> str:
        """The one that it holds."""
        return f"{self.host}/some/images"


@contextmanager
def serving(registry: FakeRegistry) -> Generator[FakeRegistry]:
    """The registry on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = registry.get(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:  # type: ignore[override]
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    registry.host = f"127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class FakeDocker:
    """A runner that is Docker: a build keeps the Dockerfile's label, a push puts it into the registry."""

    registry: FakeRegistry
    buildx: bool = True
    platform: str = "linux/amd64"
    size: int = 300_000_000
    fails: Mapping[str, str] = field(default_factory=dict[str, str])
    """First words of a command → what it says on stderr when it fails."""
    before_push: Callable[[], object] | None = None
    commands: list[list[str]] = field(default_factory=list[list[str]])
    environments: list[Mapping[str, str]] = field(default_factory=list["Mapping[str, str]"])
    stdins: list[str | None] = field(default_factory=list["str | None"])
    labels: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout_seconds: float = 900.0,
    ) -> Completed:
        words = list(argv[1:])
        self.commands.append(words)
        self.environments.append(dict(env or {}))
        self.stdins.append(stdin)
        line = " ".join(words)
        if words[0] == "push" and self.before_push is not None:
            self.before_push()
        for start, said in self.fails.items():
            if line.startswith(start):
                return Completed(1, "", said)
        if line.startswith("buildx version"):
            return Completed(0 if self.buildx else 1, "", "")
        if words[0] == "build" or words[:2] == ["buildx", "build"]:
            self._build(words[-1])
        if line.startswith("image inspect"):
            os, architecture = self.platform.split("/")
            return Completed(0, json.dumps([{"Os": os, "Architecture": architecture, "Size": self.size}]), "")
        if words[0] == "push":
            tag = words[1].rpartition(":")[2]
            self.registry.put(tag, self.labels, architecture=self.platform.partition("/")[2])
        return Completed(0, "unix:///var/run/docker.sock\n" if words[0] == "context" else "", "")

    def _build(self, folder: str) -> None:
        lines = Path(folder, "Dockerfile").read_text(encoding="utf-8").splitlines()
        (label,) = [line for line in lines if line.startswith("LABEL")]
        name, _, value = label.split()[1].partition("=")
        self.labels = {name: value.strip('"')}

    def named(self, start: str) -> list[int]:
        """Which commands start so."""
        return [number for number, words in enumerate(self.commands) if " ".join(words).startswith(start)]
