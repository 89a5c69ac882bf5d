"""Controls: a run without one protection has to lose exactly what that protection keeps, or the check sees nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from sandbox.demos import demo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.cloud import LocalCloud

Problem = Literal["lost", "doubled", "wrong", "unexplained"]
"""What a verdict can find: see `verdict.Verdict.problems`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One protection of a system's."""

    name: str
    removed: str
    """What there is no more, for people."""
    remove: Callable[[LocalCloud], object]
    """Takes it away from the deployed stack."""
    seen: Problem = "lost"
    """What the verdict then has to find, and nothing else."""


class Placed(Protocol):
    """What `rounds` places."""

    @property
    def system(self) -> str:
        """Whose control it is."""
        ...


AControl = TypeVar("AControl", bound=Placed)


def rounds(controls: Iterable[AControl]) -> list[list[AControl]]:
    """Which controls run side by side, in as few clouds as go.

    A cloud has one control of a system, and none of a system beside one of its neighbours: what the one loses would be
    found missing at the other.
    """
    found: list[list[AControl]] = []
    for control in controls:
        for beside in found:
            if not any(_disturb(control.system, each.system) for each in beside):
                beside.append(control)
                break
        else:
            found.append([control])
    return found


def _disturb(one: str, other: str) -> bool:
    return one == other or one in _neighbours(other) or other in _neighbours(one)


def _neighbours(system: str) -> tuple[str, ...]:
    found = demo(system)
    return found.neighbours if found else ()
