"""What a plan has done outside the gates: processes killed, keys rotated, a stand-in killed and started again."""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from layer_builds.plan import REPOSITORY
from sandbox.chaos import LAMBDA
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sandbox.chaos.plan import Plan
    from sandbox.cloud import LocalCloud
    from sandbox.lambda_faults import Phase

START_SECONDS = 30.0
PHASES: Final[Mapping[Phase, str]] = {
    "running": "kill-start",
    "working": "kill-work",
    "answered": "kill-answer",
    "twice": "twice",
}
"""What can happen to an invocation → how plans call it."""


class StandInProcess:
    """A stand-in in a process of its own, which can be killed; what it stores is in its folder."""

    def __init__(self, cloud: LocalCloud, service: str, options: Mapping[str, Any]) -> None:
        """Nothing runs before `start`."""
        self._cloud = cloud
        self._service = service
        self._options = options
        self._folder = cloud.workspace.folder(f"data/{service}-process")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._key = ""
        self.url: str | None = None
        """Where it listens; None while it is down."""
        self.starts = 0
        self._write_key(cloud.stand_ins[service].key)

    def start(self) -> None:
        """Start it with what it stored before, and wait until it answers."""
        with self._lock:
            port_file = self._folder / "port"
            port_file.unlink(missing_ok=True)
            command = [sys.executable, "-m", "sandbox.standins", self._service, "--with-parent"]
            command += ["--port-file", str(port_file), "--data", str(self._folder), "--key-file", str(self._key_file)]
            command += ["--options", json.dumps(dict(self._options))]
            environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
            environment["PYTHONPATH"] = str(REPOSITORY)
            process = self._cloud.workspace.start(self._service, command, environment)
            end = time.monotonic() + START_SECONDS
            while not port_file.exists():
                if process.poll() is not None or time.monotonic() > end:
                    tail = self._cloud.workspace.log_tail(self._service)
                    raise SandboxError(f"the {self._service} stand-in did not start; the end of its log:\n{tail}")
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
                self.call("PUT", "/_sandbox/keys", {"keys": [key]})

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, header: str = "api-key") -> Any:
        """Ask it over its API, with its key in that header."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, {header: self._key}, method=method)  # noqa: S310 - our own process
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return json.load(answer)

    @property
    def _key_file(self) -> Path:
        return self._folder / "keys"

    def _write_key(self, key: str) -> None:
        self._key_file.touch(mode=0o600)
        self._key_file.write_text(key, encoding="utf-8")
        self._key = key


def new_key(cloud: LocalCloud, service: str) -> str:
    """Give a service's callers a new key, and have it refuse the old one; returns it."""
    running = cloud.stand_ins[service]
    key = f"{running.declared.key_prefix}{secrets.token_hex(12)}"
    cloud.set_key(service, key)
    running.rotate(key)
    return key


class CloudHands:
    """The hands of one system's gates, and its faults at the Lambda host: see `gate.Hands`."""

    def __init__(self, cloud: LocalCloud, system: str, processes: Mapping[str, StandInProcess]) -> None:
        self._cloud = cloud
        self._name: str = cloud.function(system)["name"]
        self._processes = processes

    def plan(self, plan: Plan) -> None:
        """Have the host carry out the plan's faults of invocations."""
        for phase, name in PHASES.items():
            if at := [number for number, step in plan.of(LAMBDA).items() if step.kind == name]:
                self._cloud.host.plan_fault(self._name, phase, at=at)

    def left(self) -> int:
        """How many of those have not happened yet."""
        return self._cloud.host.faults_left(self._name)

    def kill_caller(self, port: int) -> bool:
        """SIGKILL the function process whose connection has this port."""
        pid = self._cloud.host.pid_of_connection(port)
        return pid is not None and pid in self._cloud.host.kill(pid=pid)

    def lose_answer(self) -> None:
        """SIGKILL the next function process that answers."""
        self._cloud.host.plan_fault(self._name, "answered")

    def rotate(self, service: str) -> None:
        """The new value first, as everybody who rotates a key does; then the old one is refused."""
        key = new_key(self._cloud, service)
        if service in self._processes:
            self._processes[service].rotate(key)

    def act(self, act: Callable[[LocalCloud], object]) -> object:
        """Do what a system's part says."""
        return act(self._cloud)

    def kill_service(self, service: str) -> None:
        """SIGKILL its process."""
        self._processes[service].kill()

    def start_service(self, service: str) -> None:
        """Start it again."""
        self._processes[service].start()
