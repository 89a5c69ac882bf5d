"""Which systems a sandbox runs: those of the stack's config, or the chosen ones with the neighbours that they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.names import PROJECT
from layer_builds.plan import REPOSITORY, LayerBuildError, host_architecture
from sandbox.demos import demo
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


PAGES = REPOSITORY / "components" / "systems"
"""Looked at and not imported: Pulumi, which a page imports, takes a second to load, and only a deployment needs it."""


def section(system: str) -> str:
    """The key of a system's section in the stack's config."""
    return f"{PROJECT}:{system}"


def configured(config: Mapping[str, Any]) -> list[str]:
    """A stack's systems: the sections that have a page. What is no section at all is the program's to refuse."""
    keys = [key.partition(":")[2] for key in config if key.startswith(f"{PROJECT}:")]
    return [name for name in keys if (PAGES / f"{name}.py").is_file()]


def chosen(config: Mapping[str, Any], wanted: Sequence[str]) -> list[str]:
    """The systems to deploy, in the config's order.

    Args:
        config: the stack's, by full key.
        wanted: some of its systems; none means all.

    Raises:
        SandboxError: the stack has no such system; names those that it has.
    """
    known = configured(config)
    for name in wanted:
        if name not in known:
            raise SandboxError(
                f"there is no system {name!r} in Pulumi.local.yaml: there is {', '.join(known) or 'none'}"
            )
    problems = {name: found for name in wanted or known if (found := problem(name)) is not None}
    if wanted and problems:
        raise SandboxError("; ".join(problems.values()))
    needed = _with_neighbours(wanted or [name for name in known if name not in problems])
    if missing := sorted(needed - set(known)):
        raise SandboxError(f"Pulumi.local.yaml has no {section(missing[0])}, which {', '.join(wanted or known)} needs")
    return [name for name in known if name in needed]


def problem(system: str) -> str | None:
    """Why a system cannot run on this machine; None when it can, or when nothing can."""
    found = demo(system)
    try:
        cpu = host_architecture()
    except LayerBuildError:
        return None  # said of the whole stack
    if found is None or found.takes(cpu):
        return None
    return f"{system} runs on {' or '.join(found.architectures)} only, and this is {cpu}"


def only(config: Mapping[str, Any], systems: Iterable[str]) -> dict[str, Any]:
    """The config without the sections of other systems."""
    left_out = {section(name) for name in configured(config)} - {section(name) for name in systems}
    return {key: value for key, value in config.items() if key not in left_out}


def _with_neighbours(wanted: Iterable[str]) -> set[str]:
    needed: set[str] = set()
    left = list(wanted)
    while left:
        name = left.pop()
        if name not in needed:
            needed.add(name)
            found = demo(name)
            left += found.neighbours if found else ()
    return needed
