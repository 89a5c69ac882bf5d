"""What doctor's checks look at, and what one of them finds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ops.values import as_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.stack import Stack


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    state: str
    """`ok`, `warn` (works, but look at it) or `fail`."""
    found: str
    remedy: str = ""


@dataclass(slots=True)
class Patient:
    """What the checks look at."""

    name: str
    root: Path
    config: dict[str, Any]
    plan: dict[str, Any]
    stack: Stack | None
    """None when it is not deployed."""
    why_not: str = ""
    """Why `stack` is None."""
    account: Stack | None = None
    """What reaches the account, deployed or not; None when nothing does."""
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions that the program declares."""
        return self.plan["functions"]

    def section(self, key: str) -> dict[str, Any]:
        """A section of the stack's config; empty where there is none."""
        return as_object(self.config.get(key)) or {}


class Check(Protocol):
    """One check: a function whose name begins with `check_`."""

    __name__: str

    def __call__(self, patient: Patient, /) -> Iterator[Finding]:
        """Look, and say what was found."""
        ...
