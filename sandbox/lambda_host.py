"""The Lambda host as the sandbox and its tests use it: start, stop, list its environments, kill them, plan faults."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.lambda_process import family
from sandbox.workspace import SandboxError, Workspace, stop

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from sandbox.account import Account
    from sandbox.lambda_faults import Phase

START_SECONDS = 60.0


class LambdaHost:
    """One host process for one emulator. Functions reach it by the variable MINISTACK_LAMBDA_PROXY_URL=`url`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, account: Account, *, retry_seconds: int | None = 1, role_lifetime_seconds: int = 3600) -> str:
        """Start it and return its URL.

        Args:
            account: where functions, layers and roles are.
            retry_seconds: when a failed message is visible again; None leaves the queue's visibility timeout.
            role_lifetime_seconds: how long role credentials last (STS allows 900 to 43,200).

        """
        folder = self._workspace.folder("host")
        port_file = folder / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "sandbox.lambda_server", "--folder", str(folder)]
        command += ["--endpoint", account.endpoint, "--account", account.account, "--region", account.region]
        command += ["--role-lifetime-seconds", str(role_lifetime_seconds)]
        command += ["--retry-seconds", str(retry_seconds)] if retry_seconds is not None else []
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        environment = {
            **kept,
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = self._workspace.start("lambda-host", command, environment)
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self._workspace.log_tail("lambda-host")
                raise SandboxError(f"the Lambda host did not start; the end of its log:\n{tail}")
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{port_file.read_text()}"
        return self.url

    def stop(self) -> None:
        """End it and every function process."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def environments(self) -> list[dict[str, Any]]:
        """The live processes: pid, function, version, state, request_id, memory_mb, isolation, log_stream …"""
        return self._call("environments")

    def kill(self, **which: str | int) -> list[int]:
        """SIGKILL the processes that match all of `which` (pid=…, function=…, state="running" …): their pids."""
        return self._call("kill", which)

    def plan_fault(self, function: str, phase: Phase, count: int = 1, at: Sequence[int] = ()) -> None:
        """Have a fault happen to the next `count` invocations of a function, or to those of these numbers from now on.

        Args:
            function: its name.
            phase: what happens, and when: see `lambda_faults.Phase`. `working` and `twice` need numbers.
            count: of invocations.
            at: their numbers, 1 for the next.
        """
        self._call("faults", {"function": function, "phase": phase, "count": count, "at": list(at)})

    def faults_left(self, function: str) -> int:
        """How many of those that were planned by number have not happened yet."""
        return int(self._call("faults", {"function": function})["left"])

    def flush_logs(self) -> None:
        """Wait until all log lines so far are in their groups."""
        self._call("flush")

    def pid_of_connection(self, port: int) -> int | None:
        """The function process whose TCP connection has this local port: who is calling a stand-in right now.

        One that keeps from others of its user what it has open is found if no other that runs does so.
        """
        inode = _socket_inode(port)
        hidden: list[int] = []
        for environment in self.environments() if inode else ():
            pid = int(environment["pid"])
            try:
                if any(f"socket:[{inode}]" in _open_files(each) for each in family(pid)):
                    return pid
            except PermissionError:
                hidden += [pid] if environment["state"] == "running" else []
        return hidden[0] if len(hidden) == 1 else None

    def _call(self, action: str, wish: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(f"{self.url}/_host/{action}", json.dumps(wish or {}).encode(), method="POST")  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own process
            return json.load(answer)


def _socket_inode(port: int) -> str | None:
    """The inode of the connected TCP socket whose local address is 127.0.0.1:`port`."""
    local = f"0100007F:{port:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == local and fields[3] == "01":  # established
            return fields[9]
    return None


def _open_files(pid: int) -> set[str]:
    """What a process has open, as the kernel names it.

    Raises:
        PermissionError: it hides that.
    """
    found: set[str] = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(descriptor))  # noqa: PTH115 - not a path
    return found
