"""What an idle `up`, and a `publish` of what is there, cost: `python -m benchmarks.engine [--runs 5] [--json]`.

Deploys all systems of the local stack once with the real pulumi CLI to the emulator (two minutes), then repeats these
and prints medians:

- `preview`: the whole command, when nothing changes. Nothing but the emulator is asked (tests/engine/test_preview.py).
- `up`: the whole command; in it the program's process, from its start to its end (it waits for the engine and the
  provider meanwhile), and the CPU time that it took. That is the program's own time.
- `publish`: the command that pulumi-command runs, when the bucket has the layer. It does not run in an `up` without
  changes; another stack's first `up` is where it counts.

Needs `pulumi` on PATH. Ratios matter: absolute times are of this machine, as it is loaded at the moment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from components.systems import SYSTEMS
from sandbox.account import ACCOUNT
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace
from tests.engine.machine import local_target
from tests.engine.pulumi_cli import Checkout, copy_checkout

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.pulumi_cli import Run

STACK = "bench"
PROGRAM = b"pulumi-language-python-exec"
POLL_SECONDS = 0.005
FIRST, IDLE, PREVIEW = "first up", "up, nothing to do", "preview, no change"
OWN_WALL, OWN_CPU = "up: the program", "up: the program's CPU"
BUDGET = {OWN_CPU: 5.0, PREVIEW: 15.0, "publish, when it is there": 2.0}
"""Seconds; what the project promises."""


class ProgramWatch:
    """Follows the program's process during a command: when it was there, and how much CPU it took, both in seconds."""

    def __init__(self, checkout: Path) -> None:
        """`checkout`: whose program; others may run at the same time."""
        self._root = str(checkout).encode()
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> ProgramWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        known: set[str] = set()
        while not self._stop.wait(POLL_SECONDS):
            for pid in {one.name for one in Path("/proc").iterdir() if one.name.isdigit()} - known:
                with contextlib.suppress(OSError):
                    line = Path("/proc", pid, "cmdline").read_bytes()
                    if PROGRAM in line and self._root in line.split(b"\0"):
                        self._until_end(pid)
                        return
                    if line and PROGRAM not in line:
                        known.add(pid)

    def _until_end(self, pid: str) -> None:
        started = time.monotonic()
        ticks = os.sysconf("SC_CLK_TCK")
        while not self._stop.wait(POLL_SECONDS):
            try:
                fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                break
            if fields[0] == "Z":
                break
            self.cpu_seconds = (int(fields[11]) + int(fields[12])) / ticks
        self.seconds = time.monotonic() - started


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured."""

    name: str
    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def measure(checkout: Checkout, runs: int, say: Callable[[str], None]) -> list[Row]:
    """Deploy, then repeat."""
    target = local_target()
    config = {"runtime": target.runtime, "architecture": target.architecture}
    checkout.stack(STACK, {f"strata:{name}": config for name in SYSTEMS})
    say("the first up")
    first = up(checkout).ok()
    rows: dict[str, list[float]] = {}
    for number in range(runs):
        say(f"up without changes, {number + 1} of {runs}")
        with ProgramWatch(checkout.path) as watch:
            again = up(checkout, "--expect-no-changes").ok()
        assert watch.seconds > 0, "the program's process was not seen"
        rows.setdefault(IDLE, []).append(again.seconds)
        rows.setdefault(OWN_WALL, []).append(watch.seconds)
        rows.setdefault(OWN_CPU, []).append(watch.cpu_seconds)
        say(f"preview, {number + 1} of {runs}")
        preview = checkout.pulumi("preview", "--expect-no-changes", "--stack", STACK).ok()
        rows.setdefault(PREVIEW, []).append(preview.seconds)
    resources = checkout.state(STACK)["deployment"]["resources"]
    command = next(one["inputs"]["create"] for one in resources if one["type"] == "command:local:Command")
    for number in range(runs):
        say(f"publish, {number + 1} of {runs}")
        published = checkout.run("/bin/sh", "-c", command).ok()
        assert not json.loads(published.stdout)["uploaded"]
        rows.setdefault("publish, when it is there", []).append(published.seconds)
    rows[FIRST] = [first.seconds]
    say("destroy")
    checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK).ok()
    return [Row(name, seconds) for name, seconds in rows.items()]


def up(checkout: Checkout, *more: str) -> Run:
    """One `pulumi up`."""
    return checkout.pulumi("up", "--yes", "--skip-preview", "--stack", STACK, *more)


def deployed(runs: int, say: Callable[[str], None]) -> list[Row]:
    """Measure a checkout of its own, deployed to an emulator of its own; both are gone afterwards."""
    key = os.environ.get("AWS_ACCESS_KEY_ID", "")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "backend").mkdir()
        with Workspace("bench", folder / "sandbox") as workspace:
            number = key if len(key) == len(ACCOUNT) and key.isdigit() else ACCOUNT
            account = Emulator(workspace, account=number).start()
            checkout = Checkout(copy_checkout(folder / "checkout"), account, folder / "backend")
            return measure(checkout, runs, say)


def main() -> int:
    """Measure and print; exit code 1 when a budget is broken."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--json", action="store_true")
    chosen = options.parse_args()
    screen = Console(stderr=True)
    rows = deployed(chosen.runs, lambda text: screen.print(f"[dim]{text}[/dim]"))
    show(rows, as_json=chosen.json)
    return 0 if all(row.median < BUDGET.get(row.name, float("inf")) for row in rows) else 1


def show(rows: list[Row], *, as_json: bool) -> None:
    """The table, or JSON."""
    whole = next(row for row in rows if row.name == IDLE).median
    if as_json:
        document = [{"name": row.name, "median_seconds": row.median, "seconds": row.seconds} for row in rows]
        print(json.dumps({"load": os.getloadavg()[0], "rows": document}))
        return
    table = Table(
        box=None, header_style="bold", caption=f"load average {os.getloadavg()[0]:.1f}", caption_justify="left"
    )
    for heading in ("", "median s", "lowest", "highest", "of an idle up", "budget"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in rows:
        budget = BUDGET.get(row.name)
        table.add_row(
            row.name,
            *(f"{value:.2f}" for value in (row.median, min(row.seconds), max(row.seconds))),
            f"{row.median / whole:.2f}",
            f"< {budget:g} s" if budget else "",
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    sys.exit(main())
