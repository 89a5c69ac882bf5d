"""Weaviate for tests: the stand-in, and the real server where there is one.

The real server listens for gRPC on every interface, so it runs in a network namespace of its own, and this machine's
loopback reaches it through relays. That needs root on Linux.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from sandbox.standins.rpc import RpcServer
from sandbox.standins.serving import Server, listen
from sandbox.standins.weaviate.calls import handlers
from sandbox.standins.weaviate.server import DEFAULT_KEY, HEADERS, WeaviateState, create_app

if TYPE_CHECKING:
    from collections.abc import Generator

START_SECONDS = 90.0
CLONE_NEWNET = 0x40000000
HTTP_PORT, GRPC_PORT = 8090, 50_061
SETTINGS = {
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
    "AUTHENTICATION_APIKEY_ENABLED": "true",
    "AUTHENTICATION_APIKEY_ALLOWED_KEYS": DEFAULT_KEY,
    "AUTHENTICATION_APIKEY_USERS": "strata",
    "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
    "CLUSTER_BIND_ADDR": "127.0.0.1",
    "CLUSTER_DATA_BIND_PORT": "7111",
    "CLUSTER_GOSSIP_BIND_PORT": "7110",
    "CLUSTER_HOSTNAME": "node1",
    "CLUSTER_IN_LOCALHOST": "true",
    "DEFAULT_VECTORIZER_MODULE": "none",
    "DISABLE_TELEMETRY": "true",
    "GRPC_PORT": str(GRPC_PORT),
    "RAFT_BOOTSTRAP_EXPECT": "1",
    "RAFT_INTERNAL_RPC_PORT": "7113",
    "RAFT_PORT": "7112",
    "RAFT_TIMEOUTS_MULTIPLIER": "1",
}


@dataclass
class Weaviate:
    """One that runs."""

    url: str
    grpc_url: str
    state: WeaviateState | None = None
    """Of the stand-in."""
    key: str = DEFAULT_KEY
    servers: tuple[Server | RpcServer, ...] = ()
    """Of the stand-in: HTTP, gRPC."""


@contextmanager
def stand_in(state: WeaviateState | None = None, http_port: int = 0, grpc_port: int = 0) -> Generator[Weaviate]:
    """The sandbox's."""
    served = state or WeaviateState()
    rpc = RpcServer(grpc_port).serve(served, handlers(served), HEADERS)
    with Server(create_app(served), http_port) as http, rpc:
        yield Weaviate(http.url, rpc.url, served, servers=(http, rpc))


def missing() -> str | None:
    """Why the real server cannot be asked; None when it can."""
    if _binary() is None:
        return "NO REAL WEAVIATE: weaviate-server is not on PATH, nor named by STRATA_WEAVIATE_SERVER; stand-in only"
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return "NO REAL WEAVIATE: it needs root and `unshare` for a network of its own; stand-in only"
    return None


def kinds() -> list[str]:
    """Which are asked: where the real server is missing, one test says so for all."""
    return ["stand-in"] if missing() else ["stand-in", "server"]


def _binary() -> str | None:
    return os.environ.get("STRATA_WEAVIATE_SERVER") or shutil.which("weaviate-server")


@contextmanager
def real(folder: Path) -> Generator[Weaviate]:
    """The real server, with its data in this folder."""
    command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", str(_binary())]
    command += ["--host", "127.0.0.1", "--port", str(HTTP_PORT), "--scheme", "http"]
    environment = {"PATH": os.environ["PATH"], "PERSISTENCE_DATA_PATH": str(folder / "data"), **SETTINGS}
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    relays = [Relay(process.pid, port) for port in (HTTP_PORT, GRPC_PORT)]
    try:
        _ready(relays[0].url, process, log)
        yield Weaviate(relays[0].url, relays[1].url)
    finally:
        for relay in relays:
            relay.stop()
        process.kill()
        process.wait()


def _ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{url}/v1/.well-known/ready", timeout=2).status_code == 200:
                return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"weaviate-server did not start:\n{log.read_text(encoding='utf-8')[-2_000:]}")
        time.sleep(0.1)


class Relay:
    """Connects a port of this loopback with one of another namespace's."""

    def __init__(self, pid: int, port: int) -> None:
        """Listen.

        Args:
            pid: of a process in that namespace.
            port: there.
        """
        self._pid, self._port = pid, port
        self._listener = listen()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # stopped
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        try:
            # A thread of its own, since it stays where it went; the socket that it made belongs there for good.
            with ThreadPoolExecutor(1) as visitor:
                there = visitor.submit(self._connected).result()
        except OSError:
            here.close()
            return
        for source, target in ((here, there), (there, here)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()

    def _connected(self) -> socket.socket:
        with Path(f"/proc/{self._pid}/ns/net").open("rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "the network namespace could not be entered")
        made = socket.create_connection(("127.0.0.1", self._port))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def stop(self) -> None:
        """Accept no more."""
        self._listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
