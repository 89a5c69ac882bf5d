"""Runs one agent in a process of its own, and serves what it asks for until it ends.

Owns the process: a clean environment, no descriptor but its two pipes, an end at the deadline whatever it does. It is
spawned and not forked, so that nothing of this process's memory (GitHub's token, the role's credentials) is in it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from coderipple.agents.prompts import system_prompt
from coderipple.desk import DeskError
from coderipple.errors import RefusedError, RetryLaterError
from coderipple.proposals import AgentResult

if TYPE_CHECKING:
    from coderipple.desk import Desk
    from lambdas.shared.deadline import Deadline

MODULE: Final = "coderipple.agents.process"
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "TZ")
"""Of this process's environment: what Python and TLS need. None of them is, or leads to, a credential."""
MAX_LINE: Final = 1024 * 1024
START_SECONDS: Final = 60
"""Until the first model call: imports, on a fraction of a processor."""
FAILURES_WORTH_A_TRY: Final = frozenset(
    {
        "model_timeout",
        "model_throttled",
        "model_unreachable",
        "model_error",
        "model_refused",
        "model_rejected",
        "crashed",
        "github_unavailable",
        "out_of_time",
    }
)
"""Ends of an agent after which the message is tried again: they may pass, or somebody may fix the cause."""


class AgentFailedError(RetryLaterError):
    """An agent ended without a result; `result` says how."""

    def __init__(self, result: AgentResult) -> None:
        super().__init__(f"{result.agent}: {result.outcome} ({result.detail})")
        self.result = result


@dataclass
class TokenBudget:
    """What all agents of a run may use together."""

    tokens: int
    used: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, tokens: int) -> bool:
        """Count tokens; whether there are any left."""
        with self._lock:
            self.used += tokens
            return self.used < self.tokens


def clean_environment() -> dict[str, str]:
    """The variables of the agents' process."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {
        **kept,
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OTEL_SDK_DISABLED": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run_agent(desk: Desk, model: dict[str, Any], prompt: str, budget: TokenBudget, deadline: Deadline) -> AgentResult:
    """Run an agent to its end.

    Args:
        desk: serves it.
        model: of `model_access`.
        prompt: what was pushed.
        budget: of the run.
        deadline: it is ended then.

    Raises:
        AgentFailedError: it ended in a way that may be another the next time.
    """
    process = subprocess.Popen(
        [sys.executable, "-s", "-P", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
        cwd="/",
        start_new_session=True,
    )
    task = {"agent": desk.agent, "system": system_prompt(desk.agent), "prompt": prompt, "model": model}
    conversation = _Conversation(process, desk, budget, deadline, float(model["timeout"]))
    # A process that does not read would keep this one writing.
    watchdog = threading.Timer(max(0.0, deadline.left()) + 1, process.kill)
    watchdog.start()
    try:
        outcome, detail = conversation.hold(task)
    finally:
        watchdog.cancel()
        _end(process)
    result = conversation.result(outcome, detail)
    if outcome in FAILURES_WORTH_A_TRY:
        raise AgentFailedError(result)
    return result


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing of it: no process, no pipe."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue


class _Ended(Exception):  # noqa: N818 - the usual end
    """The conversation is over."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


class _Conversation:
    """The function's end of the wire."""

    def __init__(
        self, process: subprocess.Popen[bytes], desk: Desk, budget: TokenBudget, deadline: Deadline, call_seconds: float
    ) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - they are pipes
        self._stdin, self._stdout = process.stdin, process.stdout
        self._desk, self._budget, self._deadline = desk, budget, deadline
        self._call_seconds = call_seconds
        self._silent_until = time.monotonic() + START_SECONDS
        self._unread = bytearray()
        self._tokens = [0, 0]

    def hold(self, task: dict[str, Any]) -> tuple[str, str]:
        """Serve it until it ends; how it ended."""
        try:
            self._send(task)
            while True:
                self._take(self._line())
        except _Ended as end:
            return end.outcome, end.detail
        except BrokenPipeError:
            return "crashed", "it closed its input"

    def result(self, outcome: str, detail: str) -> AgentResult:
        """What is known of it."""
        desk = self._desk
        if outcome == "end_turn":
            if desk.proposals:
                outcome = "proposed"
            elif desk.nothing:
                outcome, detail = "nothing_to_do", desk.nothing
            else:
                outcome = "forbidden" if desk.refused else "no_proposal"
        return AgentResult(
            agent=desk.agent,
            outcome=outcome,
            detail=detail,
            proposals=tuple(desk.proposals.values()),
            refused=tuple(desk.refused),
            input_tokens=self._tokens[0],
            output_tokens=self._tokens[1],
        )

    def _line(self) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                left = min(self._deadline.left(), self._silent_until - time.monotonic())
                if left <= 0:
                    raise _Ended("out_of_time" if self._deadline.left() <= 0 else "model_timeout")
                if selector.select(min(left, 1.0)):
                    part = os.read(self._stdout.fileno(), 65_536)
                    if not part:
                        raise _Ended("crashed", "its process ended without a word")
                    self._unread += part
                if len(self._unread) > MAX_LINE:
                    raise _Ended("crashed", "it sent too long a line")
        line, _, self._unread = self._unread.partition(b"\n")
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise _Ended("crashed", "it sent no JSON") from None
        if not isinstance(value, dict):
            raise _Ended("crashed", "it sent no JSON object")
        return value

    def _take(self, value: dict[str, Any]) -> None:
        match value:
            case {"call": str(name), "arguments": dict(arguments)}:
                self._send(self._served(name, arguments))
            case {"event": "calling"}:
                self._silent_until = time.monotonic() + self._call_seconds + 1
            case {"event": "called"}:
                self._silent_until = time.monotonic() + START_SECONDS
            case {"event": "usage", "input": int(given), "output": int(made)}:
                self._count(given, made)
            case {"event": "done", "reason": str(reason)}:
                raise _Ended("end_turn" if reason in ("end_turn", "stop_sequence") else reason)
            case {"event": "failed", "reason": str(reason), "detail": str(detail)}:
                raise _Ended(reason, detail)
            case _:
                raise _Ended("crashed", "it sent what is no message")

    def _served(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._silent_until = time.monotonic() + START_SECONDS
        try:
            return {"ok": True, "value": self._desk.answer(name, arguments)}
        except DeskError as refusal:
            return {"ok": False, "error": str(refusal)}
        except RefusedError:  # told without what GitHub said
            return {"ok": False, "error": "it could not be read"}
        except RetryLaterError as error:
            raise _Ended("github_unavailable", str(error)) from None

    def _count(self, given: int, made: int) -> None:
        self._tokens = [self._tokens[0] + given, self._tokens[1] + made]
        if not self._budget.spend(given + made):
            raise _Ended("token_budget", f"the run may use {self._budget.tokens:,} tokens")

    def _send(self, value: dict[str, Any]) -> None:
        self._stdin.write(json.dumps(value).encode() + b"\n")
        self._stdin.flush()
