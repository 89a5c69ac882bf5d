"""A plan of faults: which one at which request of which service, all of it from a seed.

A fault is placed by the count of requests, not by the clock, so the same plan does the same on a slow machine. Owns
data only; `gate` carries it out.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.cloud import LocalCloud
    from sandbox.standins.faults import Fault


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault."""

    service: str
    name: str
    meaning: str
    per_hundred: float
    """How many in a hundred requests; at least one in every plan."""
    fault: Fault | None = None
    """What the stand-in does; with neither this nor `act` it is an action known by its name (`gate.ACTIONS`,
    `hands.PHASES`)."""
    act: Callable[[LocalCloud], object] | None = None
    """What is done just before the request is passed on: what no gate can do, such as to another service."""


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of the plan."""

    service: str
    request: int
    """The how-manieth counted request, from 1."""
    kind: str

    def is_of(self, kind: Kind) -> bool:
        """Whether it is of that kind."""
        return (self.service, self.kind) == (kind.service, kind.name)


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of a run, in the order of requests for each service."""

    seed: int
    kinds: tuple[Kind, ...]
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name this plan."""
        text = json.dumps([asdict(step) for step in self.steps])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def of(self, service: str) -> dict[int, Step]:
        """One service's faults by the number of the request."""
        return {step.request: step for step in self.steps if step.service == service}

    def kind(self, step: Step) -> Kind:
        """What happens at a step."""
        return next(kind for kind in self.kinds if step.is_of(kind))

    def count(self, kind: Kind) -> int:
        """How many of a kind."""
        return sum(1 for step in self.steps if step.is_of(kind))


def make_plan(kinds: Sequence[Kind], seed: int, requests: Mapping[str, int]) -> Plan:
    """The plan of a seed.

    Args:
        kinds: the faults that can happen.
        seed: any number.
        requests: the fewest that the work makes of each service; all faults lie within the first nine tenths of them,
            so each of them surely happens.

    Raises:
        ValueError: too few requests for one fault of each kind.
    """
    chance = random.Random(f"plan {seed}")  # noqa: S311 - to be repeatable, not secret
    steps: list[Step] = []
    for service in dict.fromkeys(kind.service for kind in kinds):
        own, fewest = [kind for kind in kinds if kind.service == service], requests[service]
        names = [kind.name for kind in own for _ in range(max(1, round(kind.per_hundred * fewest / 100)))]
        places = range(2, max(2, fewest * 9 // 10) + 1)
        if len(names) > len(places):
            raise ValueError(
                f"{fewest} requests of {service} have no room for {len(names)} faults: send more messages, or fewer "
                "in a batch"
            )
        chance.shuffle(names)
        numbers = sorted(chance.sample(places, len(names)))
        steps += [Step(service, number, name) for number, name in zip(numbers, names, strict=True)]
    return Plan(seed, tuple(kinds), tuple(steps))
