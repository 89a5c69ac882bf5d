"""The faults that the Lambda host is told to have: which invocations of a function are killed when, or come twice.

Owns the plan only; `lambda_server` carries it out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import count
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Phase = Literal["running", "working", "answered", "twice"]
"""`running`: killed with the event in hand. `working`: killed a moment later. `answered`: killed when it has done its
work and answered, whose answer is lost. `twice`: the event is handed over a second time, at the same time."""
WORKING_SECONDS = 0.2


class PlannedFaults:
    """Of all functions, by name. Used on one thread."""

    def __init__(self) -> None:
        self._next: Counter[tuple[str, str]] = Counter()
        self._steps: defaultdict[str, dict[int, str]] = defaultdict(dict)
        self._begun: Counter[str] = Counter()

    def plan(self, function: str, phase: str, *, times: int = 1, at: Iterable[int] = ()) -> None:
        """Have a fault at the next invocations that reach that phase, or at those of these numbers, from 1 on."""
        numbers = list(at)
        self._next[function, phase] += 0 if numbers else times
        self._steps[function] |= {self._begun[function] + number: phase for number in numbers}

    def begin(self, function: str) -> str | None:
        """Count an invocation; the phase in which it is to fail, if its number is planned."""
        self._begun[function] += 1
        return self._steps[function].pop(self._begun[function], None)

    def put_off(self, function: str, phase: str) -> None:
        """What could not be done to this invocation is done to the next that has no fault of its own."""
        steps = self._steps[function]
        steps[next(number for number in count(self._begun[function] + 1) if number not in steps)] = phase

    def take(self, function: str, phase: str) -> bool:
        """Whether the next invocation that reaches this phase, which is this one, is to fail."""
        if self._next[function, phase] <= 0:
            return False
        self._next[function, phase] -= 1
        return True

    def left(self, function: str) -> int:
        """How many planned by number have not happened."""
        return len(self._steps[function])
