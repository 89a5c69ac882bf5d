"""What is to be built, how, and who is told: for builds of many layers and targets (`many.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from layer_builds.plan import Target

if TYPE_CHECKING:
    from layer_builds.build.finished import Builder, BuiltLayer

Task = tuple[str, Target]
"""A layer's name, and what it is built for."""


class Watcher(Protocol):
    """Told what happens; from one thread at a time."""

    def doing(self, task: Task, text: str) -> None:
        """A step has begun."""
        ...

    def done(self, task: Task, built: BuiltLayer | None) -> None:
        """A build has ended; without a layer when it failed or could not begin."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How all of them are built."""

    builder: Builder = "native"
    compiler: str | None = None
    force: bool = False
    processes: int | None = None
    """At once; None is one for each core."""
