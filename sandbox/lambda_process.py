"""What Linux tells of an execution environment's process: its end, its memory, what it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


async def exit_code(process: asyncio.subprocess.Process) -> int:
    """The exit code as soon as a process ends: `wait` waits for children that it left behind too."""
    with contextlib.suppress(ProcessLookupError):  # ended, and its code was read
        descriptor = os.pidfd_open(process.pid)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    while process.returncode is None:  # on its way here from asyncio's own watcher
        await asyncio.sleep(0.001)
    return process.returncode


def _status(pid: int) -> Mapping[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in lines if ":" in line)


def _kilobytes(pid: int, field: str) -> int:
    return int(_status(pid).get(field, "0 kB").split()[0])


def memory_mb(pid: int) -> int:
    """Resident memory of a process and all that it started, in MB."""
    return sum(_kilobytes(each, "VmRSS") for each in family(pid)) // 1024 if pid else 0


def family(pid: int) -> Iterator[int]:
    """A process and its descendants. Linux lists children by the thread that started them."""
    yield pid
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread, or the process, has ended
            for child in listed.read_text().split():
                yield from family(int(child))


def peak_mb(pid: int) -> int:
    """The most resident memory that a process has had, in MB."""
    return _kilobytes(pid, "VmHWM") // 1024
