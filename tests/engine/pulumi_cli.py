"""The real `pulumi` CLI on a checkout of its own: commands, what they changed, what they printed.

Owns the environment that they run in. Nothing of the machine's own AWS or Pulumi login gets in; what plugins need
(PULUMI_HOME, PULUMI_DEBUG_PROVIDERS …) comes from the environment of the test run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.account import Account

ROOT = Path(__file__).resolve().parent.parent.parent
PASSPHRASE = "the passphrase of the engine tests"
COMMAND_SECONDS = 800
"""For one command: a first `up` takes one minute, on a busy machine three; the whole deploy.md is one command."""
UNCHANGED = frozenset({"same", "read"})
ENDPOINTS = (
    "apigatewayv2",
    "cloudwatch",
    "dynamodb",
    "ecr",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "sts",
)
"""The services that the program uses, by the provider's names."""
Trace = Literal["connect", "execve"]


@dataclass(frozen=True, slots=True)
class Step:
    """What the engine did, or would do, with one resource."""

    op: str
    """create, update, replace, create-replacement, delete-replaced, delete …"""
    kind: str
    """Pulumi's type token."""
    name: str
    """The logical name."""
    properties: tuple[str, ...]
    """What differs, for updates and replacements."""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished command."""

    command: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float
    steps: tuple[Step, ...] = ()
    calls: tuple[str, ...] = ()
    """The traced system calls, one a line."""

    @property
    def output(self) -> str:
        """Everything it printed."""
        return f"{self.stdout}\n{self.stderr}"

    @property
    def changed(self) -> dict[str, set[str]]:
        """Logical name → operations of the resources that were not left as they were."""
        found: dict[str, set[str]] = {}
        for step in self.steps:
            if step.op not in UNCHANGED:
                found.setdefault(step.name, set()).add(step.op)
        return found

    def ok(self) -> Run:
        """Itself, if it succeeded."""
        assert self.code == 0, f"{' '.join(self.command)} exited with {self.code}:\n{self.output[-6000:]}"
        return self

    def failed(self) -> Run:
        """Itself, if it did not."""
        assert self.code != 0, f"{' '.join(self.command)} succeeded:\n{self.output[-3000:]}"
        return self


@dataclass(slots=True)
class Checkout:
    """A copy of the repository as Git has it, deploying to one account of the emulator."""

    path: Path
    account: Account
    backend: Path
    extra: dict[str, str] = field(default_factory=dict[str, str])
    """Further variables for every command."""
    runs: list[Run] = field(default_factory=list[Run])
    """Every command so far, for whoever looks for secrets in them."""

    def environment(self) -> dict[str, str]:
        """What commands get."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTEST_", "VIRTUAL_"))}
        return {
            **kept,
            **self.account.environment(),
            "PULUMI_BACKEND_URL": f"file://{self.backend}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # makes --event-log known, as for Pulumi's own automation API
            "PATH": os.pathsep.join([str(ROOT / ".venv" / "bin"), os.environ.get("PATH", os.defpath)]),
            "UV_PYTHON_DOWNLOADS": "never",
            **self.extra,
        }

    def pulumi(
        self,
        *arguments: str,
        stdin: str = "",
        trace: Trace | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a `pulumi` command. `up`, `preview`, `refresh` and `destroy` tell their steps."""
        log = self.backend / "events" / f"{len(self.runs)}.json"
        engine = arguments[0] in {"up", "preview", "refresh", "destroy"}
        if engine:
            log.parent.mkdir(exist_ok=True)
        more = ["--non-interactive", "--color", "never", *(["--event-log", str(log)] if engine else [])]
        run = self.run("pulumi", *arguments, *more, stdin=stdin, trace=trace, environment=environment)
        return Run(run.command, run.code, run.stdout, run.stderr, run.seconds, steps_of(log), run.calls)

    def python(self, module: str, *arguments: str, stdin: str = "") -> Run:
        """Run one of the repository's own commands."""
        return self.run(".venv/bin/python", "-m", module, *arguments, stdin=stdin)

    def run(
        self,
        *command: str,
        stdin: str = "",
        trace: Trace | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a command in the checkout.

        Args:
            command: program and arguments.
            stdin: its whole standard input.
            trace: a system call to note, of it and all that it starts; nothing is noted where there is no strace.
            environment: variables over those that every command gets.
        """
        # A file for each process: in one file, a call is cut in two where another process's comes between.
        calls = Path(tempfile.mkdtemp(prefix="calls-", dir=self.backend))
        traced = ["strace", "-ff", "-qq", "--seccomp-bpf", "-s", "65536", "-e", f"trace={trace}", "-o", f"{calls}/of"]
        tracing = trace is not None and shutil.which("strace") is not None
        started = time.monotonic()
        done = subprocess.run(
            [*(traced if tracing else []), *command],
            cwd=self.path,
            env={**self.environment(), **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        seconds = time.monotonic() - started
        lines = [line for file in sorted(calls.iterdir()) for line in file.read_text(errors="replace").splitlines()]
        run = Run(command, done.returncode, done.stdout, done.stderr, seconds, calls=tuple(lines))
        self.runs.append(run)
        return run

    def stack(self, name: str, config: Mapping[str, Any], *, of: str = "local") -> None:
        """Make a stack: the config of `Pulumi.<of>.yaml`, `config` over it, and the emulator as its AWS.

        Args:
            name: the stack's.
            config: by full key; objects are merged with what is there, and None takes a key away.
            of: the stack file to begin with.
        """
        content = yaml.safe_load((self.path / f"Pulumi.{of}.yaml").read_text())["config"]
        base: dict[str, Any] = {**content, "aws:defaultTags": {"tags": {"project": "strata", "stack": name}}}
        for key, value in {**self.provider(), **config}.items():
            known = base.get(key)
            base[key] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
        given = {key: value for key, value in base.items() if value is not None}
        (self.path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump({"config": given}, sort_keys=False))
        self.pulumi("stack", "init", name).ok()

    def provider(self) -> dict[str, Any]:
        """How the AWS provider finds the emulator."""
        return {
            "aws:region": self.account.region,
            "aws:endpoints": [dict.fromkeys(ENDPOINTS, self.account.endpoint)],
            "aws:s3UsePathStyle": True,
            "aws:skipCredentialsValidation": True,
            "aws:skipMetadataApiCheck": True,
        }

    def outputs(self, stack: str) -> dict[str, Any]:
        """What a stack exports."""
        return json.loads(self.pulumi("stack", "output", "--json", "--stack", stack).ok().stdout)

    def state(self, stack: str) -> dict[str, Any]:
        """A stack's state as it is stored."""
        return json.loads(self.pulumi("stack", "export", "--stack", stack).ok().stdout)


def steps_of(log: Path) -> tuple[Step, ...]:
    """The steps in an event log; empty where there is none."""
    steps: list[Step] = []
    for line in log.read_text().splitlines() if log.exists() else ():
        event = json.loads(line)
        step = (event.get("resourcePreEvent") or {}).get("metadata")
        if step is None or step["type"] == "pulumi:pulumi:Stack":
            continue
        differing = tuple(sorted(step.get("detailedDiff") or step.get("diffs") or ()))
        steps.append(Step(step["op"], step["type"], step["urn"].rsplit("::", 1)[1], differing))
    return tuple(steps)


def copy_checkout(target: Path) -> Path:
    """Copy what a clean clone would have, tracked or about to be, and lend it the environment installed here."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


def path_without(names: Iterable[str], folder: Path) -> str:
    """A PATH with everything that is on this one, but for some commands.

    Args:
        names: the commands to leave out.
        folder: where to make the links.
    """
    left_out = set(names)
    folder.mkdir(parents=True)
    for directory in [ROOT / ".venv" / "bin", *map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep))]:
        for tool in sorted(directory.iterdir()) if directory.is_dir() else ():
            link = folder / tool.name
            if tool.name not in left_out and not link.exists() and os.access(tool, os.X_OK):
                link.symlink_to(tool)
    return str(folder)


def logical(steps: Sequence[Step], kind: str) -> dict[str, Step]:
    """Steps of one type by logical name."""
    return {step.name: step for step in steps if step.kind == kind}
