"""Systems under a seeded plan of faults: what is killed, refused and dropped, and that nothing is lost.

What can go wrong, what is sent and how the end is judged is each system's own, in `sandbox/demos/<system>/chaos.py`;
here is how a plan is made and carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from sandbox import demos, discovery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.chaos.controls import Control
    from sandbox.chaos.ending import Ending
    from sandbox.chaos.leases import Lease
    from sandbox.chaos.plan import Kind
    from sandbox.chaos.verdict import Verdict
    from sandbox.cloud import LocalCloud

LAMBDA: Final = "lambda"
"""As a fault's service: the function's own invocations, whatever they call."""
DUPLICATES: Final = 10
"""Of a hundred inputs, so many are sent a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What one system is tried with."""

    system: str
    seed: int = 1
    messages: int
    """Distinct inputs."""
    duplicates: int
    """How many of them are sent a second time."""
    batch_size: int = 10
    """Messages of an invocation, where they come from a queue."""
    control: Control | None = None
    """Without this protection; None is with all of them."""

    @property
    def name(self) -> str:
        """The system's, with the protection that it is tried without."""
        return f"{self.system} without {self.control.name}" if self.control else self.system


class Work(Protocol):
    """What one seed gives a system to do."""

    @property
    def requests(self) -> Mapping[str, int]:
        """The fewest requests of the counted kind that it makes, by service; of `LAMBDA` the fewest invocations."""
        ...

    @property
    def sent(self) -> int:
        """How many inputs are sent, duplicates included."""
        ...

    def send(self, cloud: LocalCloud) -> None:
        """Send them all."""
        ...

    def judge(self, ending: Ending) -> Verdict:
        """Compare what was sent with what there is, once all work is over."""
        ...


def _nothing(_: object) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """A system's part: `CHAOS` of `sandbox/demos/<system>/chaos.py`."""

    messages: int
    """How many distinct inputs, unless asked otherwise."""
    kinds: tuple[Kind, ...]
    """The faults, each at one of the counted services or at `LAMBDA`."""
    make: Callable[[Options], Work]
    """What a seed sends. A ValueError says what is wrong with the options."""
    controls: tuple[Control, ...]
    """The protections that `--control` takes away, one in each run."""
    counted: Mapping[str, str] = field(default_factory=dict[str, str])
    """The requests that are counted, and suffer: service → regular expression for all of `METHOD /path`."""
    config: Callable[[Options], Mapping[str, Any]] = _nothing
    """What is laid over the system's section."""
    lease: Lease | None = None
    """Until when work of its counts as going on, where its tables say so."""
    processes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, "Mapping[str, Any]"])
    """The services that can be killed: in processes of their own, with these options."""


def chaos(system: str) -> Chaos:
    """A system's part.

    Raises:
        SandboxError: it has none; names those that have.
    """
    return discovery.load(demos, system, "CHAOS", "chaos")


def systems() -> list[str]:
    """The systems that have one."""
    return discovery.names(demos, "chaos")
