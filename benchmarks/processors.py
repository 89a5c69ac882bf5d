"""What a process and those that it started have used of the processors, as /proc says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

TICKS: Final = os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> Iterator[tuple[int, str, float]]:
    """A process and those that it started: pid, command, seconds of processor."""
    parents: dict[int, int] = {}
    seen: dict[int, tuple[str, float]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        parents[int(folder.name)] = int(fields[1])
        seen[int(folder.name)] = (command, (int(fields[11]) + int(fields[12])) / TICKS)
    for pid, about in seen.items():
        above = pid
        while above not in {root, 0}:
            above = parents.get(above, 0)
        if above == root:
            yield pid, *about
