"""What a chaos run consists of: each system's part with its options, its work and its plan of faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sandbox.chaos import DUPLICATES, Options, chaos
from sandbox.chaos import systems as with_a_part
from sandbox.chaos.gate import Gate
from sandbox.chaos.plan import make_plan
from sandbox.stack import local_systems
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.chaos import Chaos, Work
    from sandbox.chaos.controls import Control
    from sandbox.chaos.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for."""

    systems: Sequence[str] = ()
    """None means all that have a part in this."""
    seed: int = 1
    messages: int | None = None
    """Distinct inputs of each system; None is each one's own number."""
    duplicates: int | None = None
    """None is a tenth of them."""
    batch_size: int = 10
    control: bool = False
    """Each protection is taken away in turn."""
    runs: int = 1
    """How often; all have to come to the same verdicts."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One system's part of a run, ready to begin."""

    part: Chaos
    options: Options
    work: Work
    plan: Plan
    gates: dict[str, Gate] = field(default_factory=dict[str, Gate])

    @property
    def system(self) -> str:
        """Whose part it is."""
        return self.options.system

    @property
    def name(self) -> str:
        """Its options' name."""
        return self.options.name

    @property
    def felt(self) -> list[str]:
        """The services whose old key must have been refused at least once."""
        return sorted({kind.service for kind in self.part.kinds if kind.name == "rotate" and kind.act is None})


def prepared(wanted: Wanted) -> list[Trial]:
    """What is sent, and the faults, for each system; of the controls, for each of a system's protections.

    Raises:
        SandboxError: a system has no part, or the options do not fit; says what would.
    """
    known = with_a_part()
    found: list[Trial] = []
    for system in wanted.systems or [name for name in local_systems() if name in known]:
        part = chaos(system)
        controls = part.controls if wanted.control else [None]
        found += [_trial(part, _options(system, part, wanted, control)) for control in controls]
    return found


def _options(system: str, part: Chaos, wanted: Wanted, control: Control | None) -> Options:
    messages = wanted.messages or part.messages
    return Options(
        system=system,
        seed=wanted.seed,
        messages=messages,
        duplicates=messages * DUPLICATES // 100 if wanted.duplicates is None else wanted.duplicates,
        batch_size=wanted.batch_size,
        control=control,
    )


def _trial(part: Chaos, options: Options) -> Trial:
    try:
        work = part.make(options)
        return Trial(part, options, work, make_plan(part.kinds, options.seed, work.requests))
    except ValueError as error:
        raise SandboxError(f"{options.system}: {error}") from None
