"""A function's log lines, written to its log group with its role's own permissions, a moment after they appear.

A role that may not write loses its lines, as in AWS; the host's log says so once. Groups are created only by a role
that may create them.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.lambda_roles import Roles

INTERVAL_SECONDS = 0.1
MAXIMUM_EVENTS = 5_000  # PutLogEvents takes 10,000 events and 1,048,576 bytes
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stream:
    """Where a process's lines go, and as whom."""

    role: str
    group: str
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """One log event; `time_ms` since the epoch."""

    time_ms: int
    message: str


class LogWriter:
    """Writes in a thread of its own."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._queue: queue.SimpleQueue[tuple[Stream, Line] | threading.Event | None] = queue.SimpleQueue()
        self._made: set[Stream] = set()
        self._refused: set[tuple[str, str]] = set()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def write(self, stream: Stream, line: Line) -> None:
        """Queue one line."""
        self._queue.put((stream, line))

    def flush(self, timeout_seconds: float = 10.0) -> None:
        """Wait until what was queued before is written."""
        written = threading.Event()
        self._queue.put(written)
        written.wait(timeout_seconds)

    def close(self) -> None:
        """Write what is left and end."""
        self._queue.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        open_ = True
        while open_:
            batch: dict[Stream, list[Line]] = {}
            waiting: list[threading.Event] = []
            item = self._queue.get()
            until = time.monotonic() + INTERVAL_SECONDS
            while True:
                if item is None:
                    open_ = False
                    break
                if isinstance(item, threading.Event):
                    waiting.append(item)
                    break
                batch.setdefault(item[0], []).append(item[1])
                try:
                    item = self._queue.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
            for stream, lines in batch.items():
                self._put(stream, lines)
            for event in waiting:
                event.set()

    def _put(self, stream: Stream, lines: Sequence[Line]) -> None:
        try:
            logs = self._roles.client(stream.role, "logs")
            names = {"logGroupName": stream.group, "logStreamName": stream.name}
            if stream not in self._made:
                try:
                    logs.create_log_stream(**names)
                except logs.exceptions.ResourceNotFoundException:
                    logs.create_log_group(logGroupName=stream.group)
                    logs.create_log_stream(**names)
                self._made.add(stream)
            ordered = sorted(lines, key=lambda line: line.time_ms)
            for start in range(0, len(ordered), MAXIMUM_EVENTS):
                part = ordered[start : start + MAXIMUM_EVENTS]
                events = [{"timestamp": line.time_ms, "message": line.message or " "} for line in part]
                logs.put_log_events(**names, logEvents=events)
        except (ClientError, BotoCoreError) as error:
            if (stream.role, stream.group) not in self._refused:
                self._refused.add((stream.role, stream.group))
                LOGGER.warning("log lines for %s are lost: %s", stream.group, error)
