"""What the sandbox shows while it works: a line per finished step, and on a terminal a spinner for the running one."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Generator

    from rich.console import RenderableType
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

    def __init__(self, screen: Console, *, held: bool = False) -> None:
        """Where they are shown; `held` ones only when they are released."""
        self.screen = screen
        self.done: list[Step] = []
        self.now = ""
        """The title of the step that runs."""
        self._group = ""
        self._held: list[RenderableType] | None = [] if held else None

    @contextlib.contextmanager
    def group(self, name: str) -> Generator[None]:
        """Steps that belong together: in `done` their titles begin with the name."""
        self._group = f"{name}: "
        try:
            yield
        finally:
            self._group = ""

    @contextlib.contextmanager
    def step(self, title: str) -> Generator[Step]:
        """Do one step; its line appears when it is over."""
        step = Step(title)
        self.now = title
        started = time.monotonic()
        live = self.screen.is_terminal and self._held is None
        with self.screen.status(escape(title)) if live else contextlib.nullcontext() as status:
            step.status = status
            yield step
        step.status = None
        step.seconds = time.monotonic() - started
        self.print(step)
        self.done.append(replace(step, title=f"{self._group}{title}"))

    def say(self, what: RenderableType) -> None:
        """Show something else, in its place among the steps."""
        if self._held is None:
            self.screen.print(what, soft_wrap=True)
        else:
            self._held.append(what)

    def release(self, into: Steps) -> None:
        """Show what was held, and count the steps among those of others."""
        for what in self._held or ():
            into.say(what)
        into.done += self.done

    def print(self, step: Step) -> None:
        """One line: mark, title, detail, seconds."""
        width = min(self.screen.width, WIDTH)
        line = Text.assemble(("✓ ", "green"), (step.title, "bold"), "  ", (step.detail, "dim"))
        line.truncate(width - 9, overflow="ellipsis")
        line.pad_right(width - 9 - line.cell_len)
        line.append(f"{step.seconds:7.1f} s", "cyan")
        self.say(line)
