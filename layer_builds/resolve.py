"""`lock`: from requirements.in to one exact wheel per package, for each runtime and architecture.

Owns resolution with uv, the split of one resolution among layers that are attached together, and the account of what
an old runtime holds back. Nothing is installed here; recording which modules get bytecode is `record.py`'s.
"""

from __future__ import annotations

import re
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from layer_builds.errors import LayerBuildError
from layer_builds.interpreters import RUNTIMES_DIR, runtime_lock
from layer_builds.locks import Lock, Pin, lock_inputs
from layer_builds.processes import find_uv
from layer_builds.spec import LayerSpec, before, joined
from layer_builds.tags import best_wheel
from layer_builds.targets import RUNTIMES, Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.processes import Runner

_LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;#]+)(?:\s*;[^#]*)?(?:\s*# via (?P<via>.*))?")
_NEWEST_PLATFORM = "manylinux_2_39"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A package that is older on one target than it need be."""

    package: str
    version: str
    newer: str
    reason: str
    way_out: str

    def text(self, target: Target) -> str:
        """One line for people."""
        return f"{target} holds back {self.package} {self.version} ({self.newer} is out): {self.reason}; {self.way_out}"


def lock_group(layer: LayerSpec, target: Target, run: Runner, *, upgrade: bool = False) -> dict[str, Lock]:
    """Resolve a layer, and all that it is joined with, for one target.

    Args:
        layer: Any layer of the group.
        target: For which runtime and architecture.
        run: What starts uv.
        upgrade: Take the newest versions, instead of keeping those of today's locks where they still fit.

    Returns:
        A lock for each layer of the group. Two layers in it never hold the same package.

    Raises:
        LayerBuildError: nothing satisfies the requirements, a package has no wheel for the target, or two layers that
            are attached together hold a package and neither comes `after` the other.
    """
    group = joined(layer)
    with tempfile.TemporaryDirectory(prefix="strata-lock-") as folder:
        resolver = _Resolver(target, run, Path(folder))
        kept = {} if upgrade else _todays_pins(group, target)
        versions, via = resolver.together(group, kept)
        closures = {one.name: resolver.closure(one, versions) for one in group}
    held: dict[str, dict[str, Pin]] = {}
    for one in group:
        provided = {name for earlier in before(one) for name in closures[earlier.name]}
        out = provided | set(one.without)
        held[one.name] = {name: pin for name, pin in closures[one.name].items() if name not in out}
    _check_apart(group, held)
    return {
        one.name: Lock(
            lock_inputs(one, target),
            tuple(
                sorted(
                    Pin(pin.name, pin.version, pin.sha256, pin.file, via.get(pin.name, ()))
                    for pin in held[one.name].values()
                )
            ),
        )
        for one in group
    }


def held_back(layer: LayerSpec, target: Target, run: Runner, lock: Lock) -> list[HeldBack]:
    """What a target's age keeps at an older version, and why: its glibc, or its Python.

    uv resolves an old runtime without a word about what it left behind, so this asks twice more: without the wheel
    tag, and for the newest runtime.
    """
    group = joined(layer)
    newest = Target(list(RUNTIMES)[-1], target.architecture)
    reasons = {
        f"it has no wheel for glibc {_dotted(target.facts.wheel_glibc)} ({target.uv_platform})": (
            target,
            _NEWEST_PLATFORM,
        ),
        f"it has dropped Python {target.facts.python}, or something it needs has": (newest, _NEWEST_PLATFORM),
    }
    pins = {pin.name: pin.version for pin in lock.pins}
    found: dict[str, HeldBack] = {}
    for reason, (asked, platform) in reasons.items():
        with tempfile.TemporaryDirectory(prefix="strata-lock-") as folder:
            resolver = _Resolver(asked, run, Path(folder), platform=f"{asked.machine}-{platform}")
            versions, _ = resolver.together(group, {})
        for name, version in pins.items():
            newer = versions.get(name, version)
            if name not in found and Version(newer) > Version(version):
                found[name] = HeldBack(name, version, newer, reason, _way_out(target, asked))
    return sorted(found.values(), key=lambda one: one.package)


def _way_out(target: Target, asked: Target) -> str:
    better = [
        name
        for name, facts in RUNTIMES.items()
        if (facts.wheel_glibc > target.facts.wheel_glibc if asked == target else name == asked.runtime)
    ]
    return f"{better[0]} or newer takes the newer one" if better else "no runtime takes the newer one yet"


def lock_runtime(minor: str, run: Runner, *, upgrade: bool = False) -> str:
    """Resolve what stands in for Lambda's runtime on one Python: for every platform, since any host may run it."""
    path = runtime_lock(minor)
    with tempfile.TemporaryDirectory(prefix="strata-lock-") as folder:
        output = Path(folder) / "locked.txt"
        if path.is_file() and not upgrade:
            output.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        argv = [
            *(find_uv(), "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"),
            *("--annotation-style", "line", "--python", sys.executable, "--python-version", minor),
            *("--output-file", str(output), str(RUNTIMES_DIR / "runtime.in")),
        ]
        done = run(argv, cwd=Path(folder))
        if done.returncode != 0:
            raise LayerBuildError(f"cannot lock the runtime's boto3 for Python {minor}:\n{done.stderr.strip()[-1500:]}")
        text = re.sub(r"-r \S*runtime\.in", "runtime.in", output.read_text(encoding="utf-8"))
        head = "# Written by `python -m layer_builds lock`: change runtime.in, then run that."
        return "\n".join([head, *(line for line in text.splitlines() if not line.startswith(head))]) + "\n"


class _Resolver:
    """Runs uv for one target in one temporary folder, where no project's configuration is found."""

    def __init__(self, target: Target, run: Runner, folder: Path, platform: str | None = None) -> None:
        self._target = target
        self._run = run
        self._folder = folder
        self._platform = platform or target.uv_platform

    def together(
        self, group: Sequence[LayerSpec], kept: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        """Versions of everything that the group needs, and what asks for each."""
        source = self._requirements("together", [line for one in group for line in one.requirements()])
        output = self._folder / "together.txt"
        output.write_text("".join(f"{name}=={version}\n" for name, version in kept.items()), encoding="utf-8")
        self._compile(group, [str(source), "--annotation-style", "line", "--output-file", str(output)])
        versions: dict[str, str] = {}
        via: dict[str, tuple[str, ...]] = {}
        for line in output.read_text(encoding="utf-8").splitlines():
            found = _LINE.fullmatch(line.strip())
            if found is not None:
                name = _normal(found["name"])
                versions[name] = found["version"]
                names = (re.sub(r"-r \S+", "requirements.in", part.strip()) for part in (found["via"] or "").split(","))
                via[name] = tuple(sorted(filter(None, names)))
        return versions, via

    def closure(self, layer: LayerSpec, versions: Mapping[str, str]) -> dict[str, Pin]:
        """Everything one layer needs, at those versions, with the one file of each that is installed."""
        source = self._requirements(layer.name, layer.requirements())
        constraints = self._requirements(f"{layer.name}-versions", [f"{name}=={one}" for name, one in versions.items()])
        output = self._folder / f"pylock.{layer.name}.toml"
        argv = [
            str(source),
            "--constraints",
            str(constraints),
            "--generate-hashes",
            "--format",
            "pylock.toml",
            "--output-file",
            str(output),
        ]
        self._compile([layer], argv)
        data = tomllib.loads(output.read_text(encoding="utf-8"))
        return {_normal(str(one["name"])): self._pin(layer, one) for one in data.get("packages", [])}

    def _pin(self, layer: LayerSpec, package: dict[str, Any]) -> Pin:
        name = _normal(str(package["name"]))
        version = str(package["version"])
        if name in layer.source:
            archive = package.get("sdist")
            if archive is None:
                raise LayerBuildError(
                    f"package {name} {version} is in `source` of layer {layer.name} and has no source archive"
                )
            return Pin(name, version, archive["hashes"]["sha256"], _file(archive))
        wheels = {_file(wheel): wheel for wheel in package.get("wheels", [])}
        best = best_wheel(wheels, self._target)
        if best is None:
            raise LayerBuildError(
                f"package {name} {version} has no wheel for {self._target} ({self._platform}); it has "
                f"{', '.join(sorted(wheels)) or 'none'}. Choose another version in requirements.in of {layer.name}, or "
                f'build it in Docker: `source = ["{name}"]` with an `image` in layer.toml'
            )
        return Pin(name, version, wheels[best]["hashes"]["sha256"], best)

    def _requirements(self, name: str, lines: Sequence[str]) -> Path:
        path = self._folder / f"{name}.in"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def _compile(self, layers: Sequence[LayerSpec], more: Sequence[str]) -> None:
        # With `source`, uv must read source archives too; what has no wheel and is not in `source` is refused above.
        wheels = [] if any(one.source for one in layers) else ["--only-binary", ":all:"]
        argv = [
            *(find_uv(), "pip", "compile", "--quiet", "--no-header", "--python", sys.executable),
            *("--python-version", self._target.facts.python, "--python-platform", self._platform, *wheels, *more),
        ]
        done = self._run(argv, cwd=self._folder)
        if done.returncode != 0:
            names = ", ".join(one.name for one in layers)
            raise LayerBuildError(
                f"the requirements of layer {names} cannot be met for {self._target} ({self._platform}):\n"
                f"{done.stderr.strip()[-3000:]}\n"
                "Loosen the requirement that uv names, or leave this target to a newer runtime"
            )


def _check_apart(group: Sequence[LayerSpec], held: Mapping[str, Mapping[str, Pin]]) -> None:
    # Only layers that some layer joins are attached together; two that merely share a neighbour need not be, but a
    # function that does attach both is refused at preview by `budget.check_overlap`.
    for one in group:
        earlier = before(one)
        for index, first in enumerate(earlier):
            for second in earlier[index + 1 :]:
                both = sorted(set(held[first.name]) & set(held[second.name]))
                if both:
                    raise LayerBuildError(
                        f"layer {one.name} comes after {first.name} and {second.name}, and both hold "
                        f"{', '.join(both)}: "
                        f'add `after = ["{first.name}"]` to layer.toml of {second.name}'
                    )


def _todays_pins(group: Sequence[LayerSpec], target: Target) -> dict[str, str]:
    pins: dict[str, str] = {}
    for one in group:
        path = one.lock_path(target)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            found = re.match(r"([a-z0-9-]+)==(\S+) --hash=", line)
            if found:
                pins[found[1]] = found[2]
    return pins


def _file(artifact: dict[str, Any]) -> str:
    name = artifact.get("name") or unquote(urlsplit(str(artifact.get("url") or artifact.get("path"))).path)
    return str(name).rpartition("/")[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
