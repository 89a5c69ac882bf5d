"""What the command line shows: progress while it works, tables when it is done.

On a terminal one line that moves; anywhere else plain lines, each once, so that a log or Pulumi's state stays short.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from layer_builds.budget import MAX_UNZIPPED_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from layer_builds.manifest import ManifestEntry


class Screen:
    """Progress and notes on stderr, results on stdout."""

    def __init__(self, *, plain: bool = False) -> None:
        self.progress = Console(stderr=True, highlight=False)
        # Where nothing says how wide it is (a log, CI), a table must not be folded to 80 columns.
        self.output = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
        self._plain = plain or not self.progress.is_terminal
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        """A line that stays."""
        self.progress.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def working(self) -> Generator[Callable[[str], None]]:
        """Gives a function to be told what is being done."""
        if self._plain:
            yield self._line
            return
        with self.progress.status("…", spinner="dots") as status:

            def say(text: str) -> None:
                status.update(f"{text} [dim]({time.monotonic() - self._started:.0f} s)[/dim]")

            yield say

    def _line(self, text: str) -> None:
        self.note(f"[{time.monotonic() - self._started:5.1f} s] {text}")


def builds_table(rows: list[tuple[str, str, str, ManifestEntry, str]]) -> Table:
    """Rows of (layer, target, digest, entry, how it went)."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("layer", "target", "digest"):
        table.add_column(name)
    for name in ("zip", "unzipped", "of limit", "glibc"):
        table.add_column(name, justify="right")
    for name in ("smoke call", ""):
        table.add_column(name)
    for layer, target, digest, entry, how in rows:
        share = entry.unzipped_bytes / MAX_UNZIPPED_BYTES
        table.add_row(
            layer, target, digest[:12], megabytes(entry.zip_bytes), megabytes(entry.unzipped_bytes), f"{share:.0%}",
            entry.glibc, entry.smoke, how,
        )  # fmt: skip
    return table


def contents_table(layer: str, target: str, entry: ManifestEntry) -> Table:
    """What fills a layer, the largest first."""
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
