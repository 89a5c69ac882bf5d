"""`docs/benchmarks.md`: each benchmark writes its own section there, with the command, the machine and the day.

Owns the page's shape. What is measured, and how, is in the benchmark that writes the section.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
HEAD = """# Measured

Every section below was written by the command that it names, in one run on one machine; nothing is edited by hand.
Compare the numbers of a section with each other, not with those of another machine.
"""
ORDER = (
    "demo",
    "systems",
    "layers",
    "compare",
    "cold_start",
    "orchestrator",
    "documents",
    "embedding_processor",
    "embedding_index",
    "embedding_burst",
    "load",
    "knowledge_base",
    "broken_version",
)
"""Of the sections on the page, by the module that writes them."""


def machine() -> str:
    """The processor, its cores, memory and system, in a line."""
    cpu = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cpu}, {os.cpu_count()} cores, {gigabytes:.0f} GB, Linux {platform.release()}"


def load_average() -> float:
    """Processes that wanted a core in the last minute: how busy the machine was with other work."""
    return os.getloadavg()[0]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; every column but the first is right-aligned."""
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def section(name: str, command: str, text: str, versions: Mapping[str, str], page: Path = PAGE) -> None:
    """Replace one section of the page, or add it.

    Args:
        name: the module, one of `ORDER`.
        command: what the reader runs to write it again.
        text: Markdown that begins with a `## ` title.
        versions: of what was measured.
        page: the file.
    """
    day = dt.datetime.now(dt.UTC).date().isoformat()
    named = ", ".join(f"{what} {version}" for what, version in versions.items())
    title, _, body = text.partition("\n")
    made = f"`{command}`, {day}. {machine()}. {named}."
    known = _sections(page)
    known[name] = f"{title}\n\n{made}\n\n{body.strip()}\n"
    page.parent.mkdir(exist_ok=True)
    parts = [f"<!-- {key} -->\n{known[key]}<!-- /{key} -->\n" for key in ORDER if key in known]
    page.write_text("\n".join([HEAD, *parts]), encoding="utf-8")


def _sections(page: Path) -> dict[str, str]:
    if not page.exists():
        return {}
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->\n", page.read_text(encoding="utf-8"), re.DOTALL)
    return dict(found)
