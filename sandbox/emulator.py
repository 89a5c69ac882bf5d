"""Starts and stops the local AWS: ministack in its own process, on a free port of 127.0.0.1, all in memory."""

from __future__ import annotations

import os
import socket
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.account import ACCOUNT, REGION, SECRET, Account
from sandbox.emulator_asked import FILE_VARIABLE, Asked, read
from sandbox.workspace import SandboxError, Workspace, stop

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

START_SECONDS = 60.0
ASKED = "asked.jsonl"
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Emulator:
    """One emulator. `start` returns when it answers."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        account: str = ACCOUNT,
        region: str = REGION,
        async_retry_seconds: float = 0.5,
    ) -> None:
        """`async_retry_seconds`: the first wait between attempts at an async event (AWS: 60 s), doubled once."""
        self.workspace = workspace
        self._account = account
        self._region = region
        self._async_retry_seconds = async_retry_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._endpoint = ""

    @property
    def account(self) -> Account:
        """Root access to the emulator's account."""
        return Account(self._endpoint, self._account, self._region)

    def start(self) -> Account:
        """Start it and wait for its health check; a port lost to somebody else is tried again elsewhere."""
        for _ in range(3):
            port = free_port()
            command = [sys.executable, "-m", "sandbox.emulator_process"]
            self._process = self.workspace.start("emulator", command, self._environment(port))
            self._endpoint = f"http://127.0.0.1:{port}"
            if self._healthy():
                return self.account
        tail = self.workspace.log_tail("emulator")
        raise SandboxError(f"the local AWS (ministack) did not start; the end of its log:\n{tail}")

    def asked(self) -> list[Asked]:
        """What roles have asked for so far, and were told; each once."""
        return read(self.workspace.folder("emulator") / ASKED)

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def _environment(self, port: int) -> Mapping[str, str]:
        folder = self.workspace.folder("emulator")
        root = str(Path(__file__).resolve().parent.parent)
        return {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "PYTHONPATH": root,
            "PYTHONDONTWRITEBYTECODE": "1",
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",  # its default is every interface
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": self._region,
            "MINISTACK_ACCOUNT_ID": self._account,
            "AUTH": "true",  # roles are enforced
            "AWS_SECRET_ACCESS_KEY": SECRET,  # what addresses and forms are signed with that the root account gives out
            "LOG_LEVEL": "WARNING",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent.sock",
            "TMPDIR": str(folder),
            "STATE_DIR": str(folder / "state"),
            "S3_DATA_DIR": str(folder / "s3"),
            FILE_VARIABLE: str(folder / ASKED),
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(self._async_retry_seconds),
        }

    def _healthy(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        process = self._process
        while process is not None and process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self._endpoint}/_ministack/health", timeout=2) as answer:  # noqa: S310 - our own address
                    answer.read()
                    return True
            except OSError:
                time.sleep(0.05)
        return False
