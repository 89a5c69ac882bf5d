"""Runs one agent in a process of its own, and serves what it asks for until it ends.

Owns the process: a clean environment, no descriptor but its two pipes, an end at the deadline whatever it does. What is
said over the pipes is `conversation.py`'s. It is spawned and not forked, so that nothing of this process's memory
(GitHub's token, the role's credentials) is in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from coderipple.agents.confinement import hide_memory
from coderipple.agents.prompts import system_prompt
from coderipple.conversation import Conversation, TokenBudget
from coderipple.errors import RetryLaterError

if TYPE_CHECKING:
    from coderipple.desk import Desk
    from coderipple.proposals import AgentResult
    from lambdas.shared.deadline import Deadline

MODULE: Final = "coderipple.agents.process"
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "TZ")
"""Of this process's environment: what Python and TLS need. None of them is, or leads to, a credential."""
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
    hide_memory()
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
    conversation = Conversation(process, desk, budget, deadline, float(model["timeout"]))
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
