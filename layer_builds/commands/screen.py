"""What the command line shows: progress while it works, tables when it is done.

On a terminal one line that moves; anywhere else plain lines, each once, so that a log or Pulumi's state stays short.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from layer_builds.plan import MAX_UNZIPPED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from rich.live import Live
    from rich.table import Table

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.build.tasks import Task
    from layer_builds.plan import ManifestEntry, Target


class Screen:
    """Progress and notes on stderr, results on stdout."""

    def __init__(self, *, plain: bool = False) -> None:
        self._plain = plain or not sys.stderr.isatty()
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        """A line that stays."""
        print(text, file=sys.stderr, flush=True)

    @contextmanager
    def working(self) -> Generator[Callable[[str], None]]:
        """Gives a progress callback."""
        if self._plain:
            yield self.line
            return
        from rich.console import Console

        with Console(stderr=True, highlight=False).status("…", spinner="dots") as status:

            def say(text: str) -> None:
                status.update(f"{text} [dim]({time.monotonic() - self._started:.0f} s)[/dim]")

            yield say

    @contextmanager
    def watching(self, count: int) -> Generator[Watching]:
        """Gives something to be told how many builds go on: which run, which step they are at, what is done."""
        watching = Watching(self, count)
        if self._plain:
            yield watching
            return
        with watching.live():
            yield watching

    def seconds(self) -> float:
        """Since the command began."""
        return time.monotonic() - self._started

    def line(self, text: str) -> None:
        """A line with the time, where nothing moves."""
        self.note(f"[{time.monotonic() - self._started:5.1f} s] {text}")


class Watching:
    """The display of builds that go on at once."""

    def __init__(self, screen: Screen, count: int) -> None:
        self._screen = screen
        self._count = count
        self._lock = Lock()
        self._running: dict[Task, tuple[str, float]] = {}
        self._done = 0
        self._failed: list[Task] = []
        self._moving = False
        self._live: Live | None = None
        """The table to see instead of lines, from the first step on: what is found built shows none."""

    @contextmanager
    def live(self) -> Generator[None]:
        """Show a table that moves, as soon as something is being done."""
        self._moving = True
        try:
            yield
        finally:
            if self._live is not None:
                self._live.stop()

    def doing(self, task: Task, text: str) -> None:
        """A step has begun."""
        with self._lock:
            if self._moving and self._live is None:
                self._live = self._begin()
            begun = self._running[task][1] if task in self._running else self._screen.seconds()
            self._running[task] = (text, begun)
        self._say(f"{task[0]} {task[1]}: {text}")

    def done(self, task: Task, built: BuiltLayer | None) -> None:
        """A build has ended; without a layer when it failed."""
        with self._lock:
            self._running.pop(task, None)
            self._done += 1
            if built is None:
                self._failed.append(task)
            ended = f"{self._done} of {self._count}"
        if built is None:
            self._say(f"{task[0]} {task[1]}: failed ({ended})")
        elif not built.hit:
            self._say(f"{task[0]} {task[1]}: built in {built.seconds:.1f} s ({ended})")

    def _begin(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False)
        live = Live(console=console, get_renderable=self.table, refresh_per_second=4, transient=True)
        live.start()
        return live

    def table(self) -> Table:
        """What there is to see now."""
        from rich.table import Table

        shown = Table(box=None, pad_edge=False, show_header=False)
        with self._lock:
            failed = f", {len(self._failed)} failed" if self._failed else ""
            shown.add_row(f"{self._done} of {self._count} built{failed}", "", f"{self._screen.seconds():.0f} s")
            for (layer, target), (text, begun) in self._running.items():
                shown.add_row(f"  {layer} {target}", text, f"{self._screen.seconds() - begun:.0f} s")
            for layer, target in self._failed:
                shown.add_row(f"  {layer} {target}", "failed", "")
        return shown

    def _say(self, text: str) -> None:
        if not self._moving:
            self._screen.line(text)


Row = tuple[str, "Target", "ManifestEntry", str]
"""Layer, target, what it came to, and how it went."""


def show_builds(screen: Screen, rows: Sequence[Row], *, as_json: bool) -> None:
    """Print what builds came to; last, which of them were not tried."""
    if as_json:
        document = [
            {"layer": layer, "target": str(target), "how": how, **entry.document()}
            for layer, target, entry, how in rows
        ]
        print(json.dumps(document))
    elif rows:  # a head alone says nothing, before the errors
        print(builds_table(rows))
    untried = [f"{layer} {target} ({entry.smoke})" for layer, target, entry, _ in rows if is_untried(entry)]
    if untried:
        screen.note(
            f"Not tried: the smoke call of {len(untried)} of {len(rows)} builds was not made on this machine, so they "
            f"were checked by their files alone:\n  {f'{chr(10)}  '.join(untried)}"
        )


def is_untried(entry: ManifestEntry) -> bool:
    """Whether the smoke call of a build was not made."""
    return entry.smoke.startswith("not run")


def builds_table(rows: Sequence[Row]) -> str:
    """The builds in columns."""
    head = ("layer", "target", "digest", "zip", "unzipped", "of limit", "glibc", "smoke call", "")
    lines: list[tuple[str, ...]] = [head]
    for layer, target, entry, how in rows:
        sizes = (megabytes(entry.zip_bytes), megabytes(entry.unzipped_bytes))
        share = entry.unzipped_bytes / MAX_UNZIPPED_BYTES
        room = f"{share:.0%}" if share <= 1 else "images only"
        smoke = "not run" if is_untried(entry) else entry.smoke
        lines.append((layer, str(target), entry.digest[:12], *sizes, room, entry.glibc, smoke, how))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    right = {"zip", "unzipped", "of limit", "glibc"}
    return "\n".join(
        "  ".join(
            text.rjust(width) if name in right else text.ljust(width)
            for name, text, width in zip(head, line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def contents_table(layer: str, target: str, entry: ManifestEntry) -> Table:
    """What fills a layer, the largest first."""
    from rich.table import Table

    table = Table(
        box=None, pad_edge=False, header_style="bold", title_justify="left", caption_justify="left",
        title=f"{layer} {target}",
        caption=(
            f"{megabytes(entry.unzipped_bytes)} unzipped of {megabytes(MAX_UNZIPPED_BYTES)} for a function with all "
            f"its layers · {megabytes(entry.zip_bytes)} zipped · glibc {entry.glibc} · smoke call: {entry.smoke}"
        ),
    )  # fmt: skip
    table.add_column("package")
    table.add_column("version")
    table.add_column("unzipped", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    largest = max([1, *(row[2] for row in _contents(entry))])
    for name, version, size in _contents(entry):
        share = size / max(1, entry.unzipped_bytes)
        table.add_row(name, version, megabytes(size), f"{share:.1%}", "█" * round(20 * size / largest))
    return table


def contents_document(entry: ManifestEntry) -> Mapping[str, object]:
    """The same for machines."""
    rows = [{"name": name, "version": version, "bytes": size} for name, version, size in _contents(entry)]
    return {**entry.document(), "contents": rows, "limit_bytes": MAX_UNZIPPED_BYTES}


def _contents(entry: ManifestEntry) -> list[tuple[str, str, int]]:
    rows = [(name, one.version, one.bytes) for name, one in entry.distributions.items()]
    rows += [(path, "asset", size) for path, size in entry.assets.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0]))


def megabytes(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"  # noqa: PLR2004
