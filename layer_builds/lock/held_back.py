"""What an old runtime holds back, which uv does not say: a package that is older there than it need be, and why."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from layer_builds.lock.resolver import Resolver
from layer_builds.plan import RUNTIMES, LayerSpec, Lock, Target, joined_layers

if TYPE_CHECKING:
    from layer_builds.host.processes import Runner

_NEWEST_PLATFORM = "manylinux_2_39"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A package that is older on one target than it need be."""

    package: str
    version: str
    newer: str
    reason: str
    remedy: str

    def text(self, target: Target) -> str:
        """One line for people."""
        return f"{target} holds back {self.package} {self.version} ({self.newer} is out): {self.reason}; {self.remedy}"


def held_back(layer: LayerSpec, target: Target, run: Runner, lock: Lock) -> list[HeldBack]:
    """What a target's age keeps at an older version, and why: its glibc, or its Python.

    uv resolves an old runtime without a word about what it left behind, so this asks twice more: without the wheel
    tag, and for the newest runtime.
    """
    group = joined_layers(layer, target)
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
            resolver = Resolver(asked, run, Path(folder), platform=f"{asked.machine}-{platform}")
            versions, _ = resolver.together(group, {})
        for name, version in pins.items():
            newer = versions.get(name, version)
            if name not in found and Version(newer) > Version(version):
                found[name] = HeldBack(name, version, newer, reason, _remedy(target, asked))
    return sorted(found.values(), key=lambda one: one.package)


def _remedy(target: Target, asked: Target) -> str:
    better = [
        name
        for name, facts in RUNTIMES.items()
        if (facts.wheel_glibc > target.facts.wheel_glibc if asked == target else name == asked.runtime)
    ]
    return f"{better[0]} or newer takes the newer one" if better else "no runtime takes the newer one yet"


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
