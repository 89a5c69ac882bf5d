"""What the gates have done outside themselves: processes killed, keys rotated, the index server killed and started."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sandbox.workspace import REPOSITORY, SandboxError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

    from sandbox.chaos.plan import Plan, Server
    from sandbox.cloud import LocalCloud

SECRETS: Final = {"openai": "OPENAI_API_KEY", "index": "PINECONE_API_KEY"}
START_SECONDS = 30.0
PAGE = 50
"""Ids that are fetched at once: they travel in the address."""


class IndexServer:
    """The Pinecone stand-in in a process of its own, with its vectors in a file."""

    def __init__(self, cloud: LocalCloud, dimensions: int, key: str) -> None:
        """Nothing runs before `start`."""
        self._cloud = cloud
        self._dimensions = dimensions
        self._folder = cloud.workspace.folder("index")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._key = ""
        self.url: str | None = None
        """Where it listens; None while it is down."""
        self.starts = 0
        self._write_key(key)

    def start(self) -> None:
        """Start it with what it stored before, and wait until it answers."""
        with self._lock:
            port_file = self._folder / "port"
            port_file.unlink(missing_ok=True)
            command = [sys.executable, "-m", "sandbox.chaos.index_process", "--port-file", str(port_file)]
            command += ["--data", str(self._folder), "--key-file", str(self._key_file)]
            command += ["--dimension", str(self._dimensions)]
            environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            process = self._cloud.workspace.start("index", command, environment | {"PYTHONPATH": str(REPOSITORY)})
            end = time.monotonic() + START_SECONDS
            while not port_file.exists():
                if process.poll() is not None or time.monotonic() > end:
                    tail = self._cloud.workspace.log_tail("index")
                    raise SandboxError(f"the index server did not start; the end of its log:\n{tail}")
                time.sleep(0.02)
            self._process = process
            self.starts += 1
            self.url = f"http://127.0.0.1:{port_file.read_text(encoding='utf-8')}"

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it is doing."""
        with self._lock:
            self.url = None
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def rotate(self, key: str) -> None:
        """Accept this key and no other, also after a restart."""
        with self._lock:
            self._write_key(key)
            if self.url is not None:
                self._call("PUT", "/_sandbox/keys", {"keys": [key]})

    def vectors(self) -> dict[str, list[float]]:
        """All that it holds, id → values, over its API."""
        ids: list[str] = []
        token = ""
        while True:
            page = self._call("GET", f"/vectors/list?limit=100{f'&paginationToken={quote(token)}' if token else ''}")
            ids += [entry["id"] for entry in page["vectors"]]
            token = page.get("pagination", {}).get("next", "")
            if not token:
                break
        found: dict[str, list[float]] = {}
        for part in _pages(ids):
            answer = self._call("GET", "/vectors/fetch?" + "&".join(f"ids={quote(name, safe='')}" for name in part))
            found |= {name: vector["values"] for name, vector in answer["vectors"].items()}
        return found

    def count(self) -> int:
        """How many vectors it holds, in all namespaces."""
        return int(self._call("POST", "/describe_index_stats", {})["totalVectorCount"])

    @property
    def _key_file(self) -> Any:
        return self._folder / "keys"

    def _write_key(self, key: str) -> None:
        self._key_file.touch(mode=0o600)
        self._key_file.write_text(key, encoding="utf-8")
        self._key = key

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, {"api-key": self._key}, method=method)  # noqa: S310 - our own process
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return json.load(answer)


class CloudHands:
    """The hands of a run: see `gate.Hands`."""

    def __init__(self, cloud: LocalCloud, index: IndexServer, plan: Plan) -> None:
        self._cloud = cloud
        self._index = index
        self._plan = plan
        self._keys = 0

    def kill_caller(self, port: int) -> bool:
        """SIGKILL the function process whose connection has this port."""
        pid = self._cloud.host.pid_of_connection(port)
        return pid is not None and pid in self._cloud.host.kill(pid=pid)

    def lose_answer(self) -> None:
        """SIGKILL the next function process that answers."""
        self._cloud.host.plan_fault(self._cloud.function()["name"], "answered")

    def rotate(self, server: Server) -> None:
        """The new value first, as everybody who rotates a key does; then the old one is refused."""
        self._keys += 1
        key, variable = f"rotated-{self._plan.seed}-{self._keys}", SECRETS[server]
        self._cloud.set_secret(variable, key)
        self._cloud.keys[variable] = key
        if server == "openai":
            self._cloud.openai.keys.rotate(key)
        else:
            self._index.rotate(key)

    def kill_index(self) -> None:
        """SIGKILL the index server."""
        self._index.kill()

    def start_index(self) -> None:
        """Start it again."""
        self._index.start()


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]
