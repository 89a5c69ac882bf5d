"""The child's side of `lambdas.shared.child`: what happens between the fork and the end, and the frames it speaks in.

Nothing of the parent's may run here: no exception leaves, no exit handler is called, no descriptor but the pipe is
used.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import math
import os
import resource
import signal
import struct
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
HEADER = struct.Struct("!cII")
"""Kind of a frame, bytes of its JSON, bytes of its blob."""
START, ITEM, RESULT, ERROR, MEMORY = b"S", b"I", b"R", b"E", b"M"
LAST_WORDS_BYTES = 16 * MIB
"""Memory that is released when the limit was hit, so that saying so does not fail."""
TRACE_FRAMES = 6
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a child may use."""

    cpu_seconds: int
    wall_seconds: float
    memory_bytes: int
    """Writable memory beyond what the parent has (RLIMIT_DATA): address space that is only reserved does not count."""
    output_bytes: int = 256 * MIB
    """All that it sends; also the largest thing that the parent has to hold."""


class Send(Protocol):
    """Hands something to the parent while the work goes on."""

    def __call__(self, value: Any, blob: bytes = b"") -> None:
        """Send a JSON value, with raw bytes beside it."""


def live(work: Callable[[Send], Any], limits: Limits, writer: int, parent: int) -> NoReturn:
    """A child's whole life: take the limits on, do the work, say how it ended."""

    def send(kind: bytes, value: Any, blob: bytes = b"") -> None:
        text = json.dumps(value, separators=(",", ":")).encode()
        for part in (HEADER.pack(kind, len(text), len(blob)) + text, blob):
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(writer, rest) :]

    try:
        _die_with(parent)
        _let_go_of_descriptors(writer)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
            signal.signal(number, signal.SIG_DFL)
        gc.freeze()  # the parent's objects are neither collected here nor copied by looking at them
        send(START, _status_bytes("VmRSS"))
        _limit(limits)
        send(RESULT, work(lambda value, blob=b"": send(ITEM, value, blob)))
    except MemoryError:
        _release_last_words()
        send(MEMORY, {"detail": f"more than {limits.memory_bytes // MIB} MiB"})
    except BaseException as error:  # noqa: BLE001  Rust's panics are no Exceptions
        _release_last_words()
        frames = traceback.extract_tb(error.__traceback__)[-TRACE_FRAMES:]
        trace = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
        send(ERROR, {"error": type(error).__name__, "detail": str(error), "trace": trace})
    finally:
        os._exit(0)


def allow(cpu_seconds: int) -> None:
    """Called in a child: its next piece of work may use so much processor time, within what all of it may use.

    What loops is then found out by the piece that it is in, and the work can go on behind it in another child.
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard - 1), hard))


def _die_with(parent: int) -> None:
    """End when the parent's thread does, be first to go when the machine's memory ends, and dump no core."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        os._exit(1)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _let_go_of_descriptors(writer: int) -> None:
    """Point all but the pipe at /dev/null: output reaches nothing, connections are the parent's alone.

    They are not closed, because objects of the parent's would close their numbers again when those are another's.
    """
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number not in (writer, nothing):
            os.dup2(nothing, number, inheritable=False)


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))
    data = _status_bytes("VmData") + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (data, data + LAST_WORDS_BYTES))


def _release_last_words() -> None:
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _status_bytes(name: str) -> int:
    """A size from /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
