"""What an agent's process asks for over its pipes, served until it ends; and the tokens that it may use.

Owns the function's end of the wire: what is a message, how long a process may say nothing, how a conversation ends.
"""

from __future__ import annotations

import json
import os
import selectors
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from coderipple.desk import DeskError
from coderipple.errors import RefusedError, RetryLaterError
from coderipple.proposals import AgentResult

if TYPE_CHECKING:
    import subprocess

    from coderipple.desk import Desk
    from lambdas.shared.deadline import Deadline

MAX_LINE: Final = 1024 * 1024
START_SECONDS: Final = 60
"""Until the first model call: imports, on a fraction of a processor."""


@dataclass
class TokenBudget:
    """What all agents of a run may use together."""

    tokens: int
    used: int = 0
    """Also by earlier deliveries of its message."""
    _taken: list[int] = field(default_factory=lambda: [0, 0])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def said(self) -> str:
        """The limit, in words."""
        return f"the run may use {self.tokens:,} tokens"

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.used >= self.tokens

    def spend(self, given: int, made: int) -> bool:
        """Count the tokens of a call; whether there are any left."""
        with self._lock:
            self.used += given + made
            self._taken = [self._taken[0] + given, self._taken[1] + made]
            return not self.is_spent

    def take(self) -> tuple[int, int]:
        """Input and output tokens that were counted since this was last asked."""
        with self._lock:
            given, made = self._taken
            self._taken = [0, 0]
            return given, made


class _Ended(Exception):  # noqa: N818 - the usual end
    """The conversation is over."""

    def __init__(self, outcome: str, detail: str = "") -> None:
        super().__init__(outcome)
        self.outcome = outcome
        self.detail = detail


class Conversation:
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
        return cast("dict[str, Any]", value)

    def _take(self, value: dict[str, Any]) -> None:
        match value:
            case {"call": str(name), "arguments": dict()}:
                self._send(self._served(name, value["arguments"]))
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
        if not self._budget.spend(given, made):
            raise _Ended("token_budget", self._budget.said)

    def _send(self, value: dict[str, Any]) -> None:
        self._stdin.write(json.dumps(value).encode() + b"\n")
        self._stdin.flush()
