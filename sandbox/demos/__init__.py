"""What each system brings to the sandbox: a module or package of the system's name, which declares `DEMO`.

It says which stand-ins the system needs, what their addresses are called in its config, and how the system is shown:
what is sent, what must come out, the tables. A system without one is deployed and run all the same.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from sandbox import discovery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.table import Table

    from sandbox.cloud import LocalCloud
    from sandbox.screen import Steps


AT_ONCE: Final = 3
"""Processes of a function that gets events: this machine starts more of them no sooner, and each start is a second."""


class Report(Protocol):
    """What a demonstration found."""

    def faults(self) -> list[str]:
        """What is not where it belongs, a line each; none where everything is."""
        ...

    def to_json(self) -> dict[str, Any]:
        """A plain object, for `--json`."""
        ...

    def tables(self) -> Iterable[Table]:
        """The same for people."""
        ...


def _nothing(_: object) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """A system's part of the sandbox."""

    about: str
    """What is shown, in a line."""
    run: Callable[[LocalCloud, Steps, bool], Report]
    """Send, wait, look; the flag asks for the short form. A SandboxError is what went wrong."""
    stand_ins: tuple[str, ...] = ()
    """The services that the system calls: folders of `sandbox/standins`."""
    neighbours: tuple[str, ...] = ()
    """Systems that this one does not work without: deployed along when it is chosen alone."""
    architectures: tuple[str, ...] = ()
    """The CPUs that its layers exist for; none means all."""
    config: Callable[[Mapping[str, str]], Mapping[str, Any]] = _nothing
    """What is laid over the system's section of Pulumi.local.yaml, given each stand-in's URL by its name."""
    options: Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]] = _nothing
    """The stand-ins' options by their names, given the system's section."""
    prepare: Callable[[LocalCloud], object] = _nothing
    """What the deployed stack needs before it can be used, such as values of further secrets and parameters. Those that
    are stand-ins' keys are filled already."""
    welcome: Callable[[LocalCloud], Mapping[str, str]] = _nothing
    """What `make up` tells people once, title → text, and makes for it: an account to look around with."""
    beside: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """Rights of the function's role, statement and action, that nothing in the demonstration needs, and when they are
    needed: reviewed, since `python -m sandbox roles` takes them for used."""
    commands: Mapping[str, str] = field(default_factory=dict[str, str])
    """What to try while `make up` runs: title → command."""

    def takes(self, architecture: str) -> bool:
        """Whether the system can run on a CPU."""
        return not self.architectures or architecture in self.architectures


def demo(system: str) -> Demo | None:
    """A system's demonstration; None where it has none."""
    package = sys.modules[__name__]
    return discovery.load(package, system, "DEMO") if discovery.find(package, system) else None


def systems() -> list[str]:
    """The systems that have one."""
    return discovery.names(sys.modules[__name__])
