"""Work in a forked child process with limits on its processor time, memory, output and time on the clock.

Libraries that read documents loop, exhaust memory and crash where no exception reaches Python. In a child they do that
to themselves: the caller always gets an `Ending`, and everything the child had sent by then.

- A fork, so nothing is imported again: the child starts in milliseconds with all that the parent has loaded.
- One pipe and no `multiprocessing`: Lambda has no /dev/shm, which its queues and locks need.
- JSON and bytes, never pickle: what comes back was made while hostile input was read, and is taken as data only.
- It contains accidents, not attackers: a child whose code was taken over still has the parent's memory and role.

The work must use no AWS client and no thread pool of the parent's: sockets and threads do not survive a fork. It sees
the parent's variables as they are, so input needs no copying; what it changes stays in the child.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lambdas.shared import child_process
from lambdas.shared.child_process import HEADER, MIB, Limits, Send

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_SECONDS = 0.25
"""How often a silent child is looked for: when it is gone, a process of its own can hold its pipe open."""
END_SECONDS = 0.001
NEAR_THE_LIMIT = 0.5
"""Of the memory limit: a library that aborts with so much in use has failed to allocate."""
_ABORTS = {signal.SIGABRT, signal.SIGTRAP, signal.SIGILL, signal.SIGSEGV, signal.SIGBUS}


class How(StrEnum):
    """How a child ended."""

    FINISHED = "finished"
    RAISED = "raised"
    """With a Python exception; `error` and `detail` say which."""
    CPU_TIME = "cpu_time"
    WALL_TIME = "wall_time"
    MEMORY = "memory"
    OUTPUT = "output"
    """It sent more than it may."""
    CRASHED = "crashed"
    """By a signal, or by leaving without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What became of a child."""

    how: How
    value: Any = None
    """What the work returned, when it finished."""
    error: str = ""
    """The exception's class, when it raised."""
    detail: str = ""
    """The exception's message; or the signal, or the limit."""
    trace: str = ""
    """Where it raised, for a log: files, lines and functions, no values."""
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Resident memory beyond what the child started with."""

    @property
    def timed_out(self) -> bool:
        """Whether a time limit ended it, whichever."""
        return self.how in (How.CPU_TIME, How.WALL_TIME)


def run(work: Callable[[Send], Any], limits: Limits, receive: Callable[[Any, bytes], object]) -> Ending:
    """Do work in a child and wait for its end, which is at most `limits.wall_seconds` away.

    Args:
        work: called in the child; it sends what it has as it has it, and may return one more JSON value.
        limits: of the child.
        receive: called in the parent with each value and blob, in order. What it takes counts as time on the clock.

    Returns:
        How the child ended. Nothing of it is left: no process, no descriptor.

    Raises:
        OSError: the machine could not make a process or a pipe.
        Exception: what `receive` raised; the child is gone then, too.
    """
    started = time.monotonic()
    reader, writer = os.pipe()
    try:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            child_process.live(work, limits, writer, parent)
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    child = _Running(pid, reader, limits, started + limits.wall_seconds)
    try:
        child.listen(receive)
    finally:
        child.end()
    return child.ending(time.monotonic() - started)


class _Running:
    """The parent's side of one child."""

    def __init__(self, pid: int, reader: int, limits: Limits, until: float) -> None:
        self._pid = pid
        self._reader = reader
        self._limits = limits
        self._until = until
        self._unread = bytearray()
        self._received = 0
        self._start_bytes = 0
        self._last: tuple[How, dict[str, Any]] | None = None
        self._stopped: How | None = None
        self._exit: tuple[int, resource.struct_rusage] | None = None
        os.set_blocking(reader, False)

    def listen(self, receive: Callable[[Any, bytes], object]) -> None:
        """Hand on what the child sends, until it is gone or has reached a limit that is kept here."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        at_end = False
        while not (gone := self._reaped(os.WNOHANG)):
            left = self._until - time.monotonic()
            if left <= 0:
                self._stopped = How.WALL_TIME
            elif self._received > self._limits.output_bytes:
                self._stopped = How.OUTPUT
            if self._stopped is not None:
                return
            if at_end:  # it closes its pipe a moment before it is gone
                time.sleep(min(left, END_SECONDS))
            elif poll.poll(min(left, POLL_SECONDS) * 1000):
                at_end = not self._read(receive)
        while gone and not at_end:  # what it sent last, and nothing that a process of its own may still hold back
            at_end = not poll.poll(0) or not self._read(receive)

    def end(self) -> None:
        """Kill the child if it is still there, and leave nothing of it."""
        os.close(self._reader)
        if self._exit is None:
            os.kill(self._pid, signal.SIGKILL)
            self._reaped(0)

    def ending(self, wall_seconds: float) -> Ending:
        """What is known of the child, which has ended."""
        status, usage = self._exit or (0, resource.getrusage(resource.RUSAGE_CHILDREN))
        peak = max(0, usage.ru_maxrss * 1024 - self._start_bytes)
        how, said = self._how(os.waitstatus_to_exitcode(status), peak)
        times = {"wall_seconds": wall_seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime}
        return Ending(how=how, peak_bytes=peak, **times, **said)

    def _how(self, code: int, peak: int) -> tuple[How, dict[str, Any]]:
        if self._stopped is not None:
            return self._stopped, {"detail": self._why_stopped(self._stopped)}
        if self._last is not None:
            return self._last
        if code == -signal.SIGXCPU:
            return How.CPU_TIME, {"detail": "used all the processor time that it may"}
        if code == -signal.SIGKILL:  # not by us: the kernel, when the machine's memory was used up
            return How.MEMORY, {"detail": "killed: the machine ran out of memory"}
        how = How.MEMORY if -code in _ABORTS and peak > NEAR_THE_LIMIT * self._limits.memory_bytes else How.CRASHED
        name = signal.Signals(-code).name if code < 0 else f"left with exit code {code}"
        return how, {"detail": f"{name}, with {peak // MIB} MiB in use"}

    def _why_stopped(self, how: How) -> str:
        return {
            How.WALL_TIME: f"not done after {self._limits.wall_seconds:g} s",
            How.OUTPUT: f"sent more than {self._limits.output_bytes} bytes",
        }.get(how, "sent what could not be read")

    def _read(self, receive: Callable[[Any, bytes], object]) -> bool:
        """Take what is in the pipe, at most a mebibyte; False at its end."""
        data = os.read(self._reader, MIB)
        self._received += len(data)
        self._unread += data
        while (frame := self._frame()) is not None:
            kind, value, blob = frame
            if kind == child_process.ITEM:
                receive(value, blob)
            else:
                self._note(kind, value)
        return bool(data)

    def _note(self, kind: bytes, value: Any) -> None:
        if kind == child_process.START:
            self._start_bytes = value
        elif kind == child_process.RESULT:
            self._last = How.FINISHED, {"value": value}
        else:
            self._last = (How.MEMORY if kind == child_process.MEMORY else How.RAISED), value

    def _frame(self) -> tuple[bytes, Any, bytes] | None:
        """The next whole frame, taken out of what is unread."""
        if len(self._unread) < HEADER.size:
            return None
        kind, text, blob = HEADER.unpack_from(self._unread)
        middle, end = HEADER.size + text, HEADER.size + text + blob
        if len(self._unread) < end:
            return None
        try:
            value = json.loads(self._unread[HEADER.size : middle])
        except (ValueError, RecursionError):  # written by other code than ours, or nested too deeply
            self._stopped = How.CRASHED
            return None
        frame = kind, value, bytes(self._unread[middle:end])
        del self._unread[:end]
        return frame

    def _reaped(self, options: int) -> bool:
        if self._exit is None:
            pid, status, usage = os.wait4(self._pid, options)
            self._exit = (status, usage) if pid else None
        return self._exit is not None
