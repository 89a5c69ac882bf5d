"""Deploys the program to the local AWS, in a process of its own: Pulumi's runtime is global state.

`Deployer` starts that process, `python -m sandbox.deploy`, and follows it. It reads its order, one line of JSON, from
standard input, and writes one JSON object a line on standard output: creating, created, progress, log, outputs, failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from layer_builds.plan import REPOSITORY
from sandbox import warm
from sandbox.account import Account
from sandbox.workspace import SandboxError, Workspace, end_with_parent, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.stack import Stack


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a deployment."""

    kind: str
    """creating, created, progress, log."""
    details: dict[str, Any]


class DeploymentError(SandboxError):
    """The program failed, with its own message."""


class Deployer:
    """The process that will run the program; started early, because importing Pulumi takes it a while."""

    def __init__(self, workspace: Workspace) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
        self._log = workspace.folder("logs") / "deploy.log"
        with self._log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.deploy"],
                env=environment | {"PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
            )
        record(workspace.path, self._process.pid, "deploy")

    def __enter__(self) -> Deployer:
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and what its commands started, if it has not ended by itself."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def run(
        self,
        account: Account,
        stack: Stack,
        follow: Callable[[Event], None] = lambda _: None,
        program: Path = REPOSITORY / "__main__.py",
    ) -> dict[str, Any]:
        """Run the program against an account of the local AWS, once; returns the stack's outputs.

        Args:
            account: what to deploy to: a new, empty account.
            stack: the stack's config.
            follow: hears of each resource as it is made.
            program: what to run; commands run in its folder.

        Raises:
            DeploymentError: with what the program or the monitor said.

        """
        parts = {
            "project": stack.project,
            "name": stack.name,
            "config": stack.texts(),
            "naming": stack.naming,
            "default_tags": dict(stack.default_tags),
        }
        assert self._process.stdin is not None  # noqa: S101 - piped
        with contextlib.suppress(BrokenPipeError):  # it has ended already: told below
            self._process.stdin.write(
                json.dumps({"account": asdict(account), "stack": parts, "program": str(program)}) + "\n"
            )
            self._process.stdin.flush()
        return _followed(self._process, follow, self._log)


def deploy(
    workspace: Workspace,
    account: Account,
    stack: Stack,
    follow: Callable[[Event], None] = lambda _: None,
    program: Path = REPOSITORY / "__main__.py",
) -> dict[str, Any]:
    """Start a process, run the program in it, end it: `Deployer.run` with nothing to do meanwhile."""
    with Deployer(workspace) as deployer:
        return deployer.run(account, stack, follow, program)


def _followed(process: subprocess.Popen[str], follow: Callable[[Event], None], log: Path) -> dict[str, Any]:
    outputs: dict[str, Any] | None = None
    assert process.stdout is not None  # noqa: S101 - piped
    for line in process.stdout:
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "outputs":
            outputs = event["values"]
        elif kind == "failed":
            raise DeploymentError(event["message"])
        else:
            follow(Event(kind, event))
    if process.wait() != 0 or outputs is None:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise DeploymentError(f"the deployment's process ended ({process.returncode}):\n{tail}")
    return outputs


class _Teller:
    """Writes events, one line each, from any thread."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: str, details: dict[str, Any]) -> None:
        with self._lock:
            self._stream.write(json.dumps({"event": event, **details}) + "\n")
            self._stream.flush()


class _EngineLog(logging.Handler):
    """What the program logs through Pulumi."""

    def __init__(self, tell: _Teller) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell("log", {"level": record.levelname, "line": record.getMessage()})


def _run(order: dict[str, Any], tell: _Teller) -> dict[str, Any]:
    import pulumi.runtime  # slow; only this process needs it
    from pulumi.runtime.mocks import MockEngine, MockSettings
    from pulumi.runtime.settings import configure
    from pulumi.runtime.stack import run_in_stack

    from sandbox.monitor import Maker, Monitor
    from sandbox.rows import Cloud

    stack = order["stack"]
    account = Account(**order["account"])
    cloud = Cloud(account, stack["project"], stack["name"], stack["naming"], stack["default_tags"])
    path = Path(order["program"])
    monitor = Monitor(Maker(cloud, path.parent, tell))
    log = logging.getLogger("program")
    log.setLevel(logging.INFO)
    log.addHandler(_EngineLog(tell))
    log.propagate = False
    configure(
        MockSettings(
            monitor=monitor,
            monitor_features=set(),
            engine=MockEngine(log),
            project=stack["project"],
            stack=stack["name"],
            dry_run=False,
            organization="organization",
            callbacks=None,
        )
    )
    pulumi.runtime.set_all_config(stack["config"])

    def program() -> None:
        runpy.run_path(str(path), run_name="__main__")

    asyncio.run(run_in_stack(program))
    return monitor.outputs


def _message(error: BaseException) -> str:
    """What to tell of a failure: the last words of ours, without the runtime's frames."""
    import pulumi  # slow; only this process needs it

    from sandbox.rows import UnsupportedError

    if isinstance(error, (pulumi.RunError, UnsupportedError, subprocess.SubprocessError, SandboxError)):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def main() -> None:
    """Run the program as ordered."""
    # The program, and what it starts, may print: that goes to the log.
    tell = _Teller(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    warm.begin()
    for name in ("pulumi_aws", "pulumi_command", "sandbox.monitor"):
        importlib.import_module(name)
    line = sys.stdin.buffer.readline()
    if not line:
        return  # the parent has ended
    end_with_parent(lambda: os.killpg(0, signal.SIGKILL))  # and what its commands started
    order = json.loads(line)
    os.environ.update(Account(**order["account"]).environment())
    os.chdir(Path(order["program"]).parent)
    try:
        outputs = _run(order, tell)
    except BaseException as error:  # noqa: BLE001 - told to the parent, traceback in the log
        traceback.print_exc()
        tell("failed", {"message": _message(error)})
        sys.stderr.flush()
        os._exit(1)  # other resources may still be in work in threads
    tell("outputs", {"values": outputs})
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
