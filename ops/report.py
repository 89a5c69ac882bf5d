"""What a command found, once: as one JSON document for programs (`--json`), as tables for people.

The JSON is what the command passes as `data`, plus `ok`. Tables never hold anything that `data` does not.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}
"""How a cell with exactly this text is shown."""

WIDTH_OF_FILES = 200
"""Columns where the output is not a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one command."""

    data: Mapping[str, object]
    """What `--json` prints."""
    ok: bool = True
    """False ends the process with exit code 1."""
    tables: Sequence[Table] = field(default_factory=tuple)
    notes: Sequence[str] = field(default_factory=tuple)
    """Sentences under the tables."""


def to_json(report: Report) -> str:
    """The report as one line of JSON."""
    return json.dumps({"ok": report.ok, **report.data}, ensure_ascii=False, default=str)


def write_file(option: str, file: Path, text: str) -> None:
    """Write the file that an option names.

    Raises:
        UsageError: no file can be there: a folder that does not exist or is not ours, or a folder itself.
        OpsError: it could not be written for another reason, such as a full disk.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"{option} {file}: {error.strerror}; name a file in a folder that exists") from None
    except OSError as error:
        raise OpsError(f"{option} {file} could not be written: {error.strerror}") from None


def show(report: Report, *, as_json: bool) -> int:
    """Print the report on stdout; returns the exit code that it stands for."""
    if as_json:
        sys.stdout.write(to_json(report) + "\n")
    else:
        draw(report)
    return 0 if report.ok else 1


def draw(report: Report) -> None:
    """Print the tables and notes for people."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=WIDTH_OF_FILES)
    for table in report.tables:
        drawn = RichTable(title=table.title, title_justify="left", title_style="bold")
        for column in table.columns:
            drawn.add_column(column, overflow="fold")
        for row in table.rows:
            drawn.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        console.print(drawn)
    for note in report.notes:
        console.print(Text(note), soft_wrap=True)
