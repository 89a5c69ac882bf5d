"""What the sandbox shows while it works: a line per finished step, and on a terminal a spinner for the running one."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.status import Status

WIDTH = 100
"""Lines are cut to this, or to the terminal where that is narrower."""


def console(*, quiet: bool = False) -> Console:
    """A console that is plain when piped; `quiet` prints nothing (for --json, whose document is all of stdout)."""
    found = Console(quiet=quiet, highlight=False)
    if not found.is_terminal:
        found.width = WIDTH
    return found


@dataclass
class Step:
    """One step of the work."""

    title: str
    detail: str = ""
    """Shown beside the title: what is going on, in the end what came of it."""
    seconds: float = 0.0
    status: Status | None = None

    def say(self, detail: str) -> None:
        """Show what is going on."""
        self.detail = detail
        if self.status is not None:
            self.status.update(f"{escape(self.title)}  [dim]{escape(detail)}[/dim]")


class Steps:
    """The steps so far, with their times."""

    def __init__(self, screen: Console) -> None:
        self.screen = screen
        self.done: list[Step] = []

    @contextlib.contextmanager
    def step(self, title: str) -> Generator[Step]:
        """Do one step; its line appears when it is over."""
        step = Step(title)
        started = time.monotonic()
        with self.screen.status(escape(title)) if self.screen.is_terminal else contextlib.nullcontext() as status:
            step.status = status
            yield step
        step.status = None
        step.seconds = time.monotonic() - started
        self.done.append(step)
        self.print(step)

    def print(self, step: Step) -> None:
        """One line: mark, title, detail, seconds."""
        width = min(self.screen.width, WIDTH)
        line = Text.assemble(("✓ ", "green"), (step.title, "bold"), "  ", (step.detail, "dim"))
        line.truncate(width - 9, overflow="ellipsis")
        line.pad_right(width - 9 - line.cell_len)
        line.append(f"{step.seconds:7.1f} s", "cyan")
        self.screen.print(line, no_wrap=True)
