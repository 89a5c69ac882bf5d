"""Lock files: the exact wheels of one layer for one target, and the modules that get bytecode.

Owns the two file formats and the check that they are of today's inputs. Writing them is `resolve.py`'s.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.layers import joined_layers
from layer_builds.plan.names import is_plain_path

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan.spec import LayerSpec
    from layer_builds.plan.targets import Target

_PIN = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[^\s;]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """One distribution: the one file of it that is installed."""

    name: str
    """Normalised: lower case, `-`."""
    version: str
    sha256: str
    """Of the wheel, or of the source archive for a package in `source`."""
    file: str
    """The wheel's file name: for people, and for messages about tags."""
    via: tuple[str, ...] = ()
    """What requires it; `requirements.in` when the layer asks for it itself."""


@dataclass(frozen=True, slots=True)
class Lock:
    """All pins of a layer for one target."""

    inputs: str
    """`lock_inputs` of what it was resolved from."""
    pins: tuple[Pin, ...]

    def text(self, target: Target) -> str:
        """The file, which is also what uv installs from."""
        lines = [
            "# Written by `python -m layer_builds lock`: change requirements.in or layer.toml, then run that.",
            f"# target: {target}",
            f"# inputs: {self.inputs}",
        ]
        for pin in sorted(self.pins):
            lines += ["", f"# {pin.file}", f"# via {', '.join(pin.via)}"]
            lines += [f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}"]
        return "\n".join(lines) + "\n"


def lock_inputs(layer: LayerSpec, target: Target) -> str:
    """Digest of all that a resolution starts from: the requirements of every layer joined with this one."""
    layers = joined_layers(layer, target)
    group = [
        [one.name, _lines(one), one.after, one.without, one.source, one.image if one.source else None] for one in layers
    ]
    document = json.dumps([str(target), target.uv_platform, group], separators=(",", ":"))
    return hashlib.sha256(document.encode()).hexdigest()


def _lines(layer: LayerSpec) -> list[str]:
    """Requirements with their hashes, which are an input only where there are any."""
    return [" ".join([one.text, *sorted(one.hashes)]) for one in layer.requirements()]


def load_lock(layer: LayerSpec, target: Target) -> Lock:
    """Read a layer's lock for a target.

    Raises:
        LayerBuildError: there is none, it is of other requirements, or it is damaged; with the command that fixes it.
    """
    layer.check_target(target)
    path = layer.lock_path(target)
    remedy = f"run `python -m layer_builds lock {layer.name}` and commit what it writes"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise LayerBuildError(f"layer {layer.name} is not locked for {target} ({path} is missing): {remedy}") from None
    lock = _parse_lock(path, lines, remedy)
    if lock.inputs != lock_inputs(layer, target):
        raise LayerBuildError(
            f"the lock of layer {layer.name} for {target} is of other requirements than requirements.in and layer.toml "
            f"ask for now: {remedy}"
        )
    return lock


def locked_targets(layer: LayerSpec) -> list[Target]:
    """The targets that there is a lock for, whether it is of today's inputs or not."""
    return [target for target in layer.targets if layer.lock_path(target).is_file()]


def _parse_lock(path: Path, lines: list[str], remedy: str) -> Lock:
    inputs = next((line.removeprefix("# inputs: ") for line in lines if line.startswith("# inputs: ")), "")
    pins: list[Pin] = []
    comments: list[str] = []
    for number, line in enumerate((line.strip() for line in lines), start=1):
        if line.startswith("#"):
            comments.append(line.removeprefix("#").strip())
            continue
        if line:
            found = _PIN.fullmatch(line)
            if found is None:
                raise LayerBuildError(
                    f"{path}:{number}: {line[:120]!r} is not a pinned package with one hash: {remedy}"
                )
            file = next((text for text in comments if text.endswith((".whl", ".tar.gz", ".zip"))), "")
            via = next((text.removeprefix("via ") for text in comments if text.startswith("via ")), "")
            pins.append(
                Pin(found["name"], found["version"], found["sha256"], file, tuple(filter(None, via.split(", "))))
            )
        comments = []
    names = [pin.name for pin in pins]
    for name in names:
        if names.count(name) > 1:
            raise LayerBuildError(f"{path}: {name} is pinned twice: {remedy}")
    return Lock(inputs, tuple(sorted(pins)))


def modules_text(runtime: str, modules: list[str]) -> str:
    """The file that lists which modules get bytecode."""
    head = [
        "# Written by `python -m layer_builds lock`: the modules that the smoke call imports, shipped compiled.",
        f"# runtime: {runtime}",
    ]
    return "\n".join([*head, *sorted(set(modules))]) + "\n"


def load_modules(layer: LayerSpec, target: Target) -> tuple[str, ...]:
    """Paths below python/ of the modules that get bytecode when `bytecode = "imported"`; sorted.

    Raises:
        LayerBuildError: the list is missing or holds something that is not a module's path.
    """
    if layer.bytecode != "imported":
        return ()
    path = layer.modules_path(target.runtime)
    remedy = f"run `python -m layer_builds lock {layer.name}` and commit what it writes"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise LayerBuildError(
            f"layer {layer.name} has no list of modules to compile ({path} is missing): {remedy}"
        ) from None
    modules = sorted({line.strip() for line in lines if line.strip() and not line.startswith("#")})
    for module in modules:
        if not is_plain_path(module) or not module.endswith(".py"):
            raise LayerBuildError(f"{path}: {module!r} is not the path of a module: {remedy}")
    return tuple(modules)
