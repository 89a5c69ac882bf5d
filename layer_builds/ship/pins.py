"""Everything that the project's locks pin, and which lock pins it: what an audit asks about."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.plan import RUNTIMES, LayerBuildError, load_lock, locked_targets, normal_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from layer_builds.plan import LayerSpec

_RUNTIME_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)

Package = tuple[str, str]
"""Normalised name, version."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A lock that pins a package."""

    lock: str
    """`layer openai-pinecone`, `runtime stand-in`, or `uv.lock`."""
    target: str = ""
    """For which runtime and architecture; empty for uv.lock."""
    via: tuple[str, ...] = ()
    """What requires the package there, where the lock says it."""


def collect_pins(
    layers: Iterable[LayerSpec], runtimes: Path | None, project: Path | None
) -> dict[Package, list[Place]]:
    """Everything that the locks pin.

    Args:
        layers: Whose locks, for all targets they are locked for.
        runtimes: The folder with the locks of the runtime's stand-in; None leaves them out.
        project: A uv.lock; None leaves it out.

    Raises:
        LayerBuildError: a lock is missing, stale or damaged.
    """
    pins: dict[Package, list[Place]] = {}
    for package, place in (*_of_layers(layers), *_of_runtimes(runtimes), *_of_project(project)):
        pins.setdefault(package, []).append(place)
    if not pins:
        raise LayerBuildError("there is nothing to audit: no lock pins any package")
    return pins


def describe(places: Iterable[Place]) -> list[str]:
    """One line per lock, its targets together."""
    targets: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for place in places:
        targets.setdefault((place.lock, place.via), []).append(place.target)
    lines: list[str] = []
    for (lock, via), names in sorted(targets.items()):
        shown = f" ({', '.join(sorted(filter(None, names)))})" if any(names) else ""
        lines.append(lock + shown + (f", required by {', '.join(via)}" if via else ""))
    return lines


def _of_layers(layers: Iterable[LayerSpec]) -> Iterator[tuple[Package, Place]]:
    for layer in layers:
        # A layer without any lock: loading the first one says so, and what to run.
        for target in locked_targets(layer) or layer.targets[:1]:
            for pin in load_lock(layer, target).pins:
                yield (pin.name, pin.version), Place(f"layer {layer.name}", str(target), pin.via)


def _of_runtimes(folder: Path | None) -> Iterator[tuple[Package, Place]]:
    if folder is None:
        return
    for runtime in RUNTIMES.values():
        for name, version in _RUNTIME_PIN.findall(_text(folder / f"python{runtime.python}.txt")):
            yield (normal_name(name), version), Place("runtime stand-in", runtime.name)


def _of_project(lock: Path | None) -> Iterator[tuple[Package, Place]]:
    if lock is None:
        return
    try:
        packages = tomllib.loads(_text(lock))["package"]
        found = {(normal_name(one["name"]), str(one["version"])) for one in packages if "registry" in one["source"]}
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise LayerBuildError(f"{lock} is not a lock of uv ({type(error).__name__}: {error}): run `uv lock`") from None
    for package in sorted(found):
        yield package, Place("uv.lock")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise LayerBuildError(f"{path} could not be read ({error.strerror})") from None
