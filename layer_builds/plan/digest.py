"""A layer's digest: SHA-256 over every input that can change its bytes, and over nothing else.

Pure Python over committed files, so that a preview knows it: no network, no Docker, no build. Not in it: paths, modes,
line endings, comments, the host, the builder's kind, where an asset is fetched from. One input is missing: what the
packages in `source` are built with, which is not locked (docs/adr/0006).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.locks import load_lock, load_modules

if TYPE_CHECKING:
    from layer_builds.plan.spec import LayerSpec
    from layer_builds.plan.targets import Target

FORMAT = 1
"""Raised when, and only when, the builder makes other bytes from the same inputs; a golden-hash test watches it."""


def layer_digest(layer: LayerSpec, target: Target, compiler: str | None = None) -> str:
    """The name of the bytes that building this layer gives.

    Args:
        layer: What to build.
        target: For which runtime and architecture.
        compiler: CPython patch version that makes the bytecode; None is the runtime's pinned one.

    Returns:
        64 hex digits.

    Raises:
        LayerBuildError: a lock is missing or stale, or the compiler is of another minor version.
    """
    text = json.dumps(digest_inputs(layer, target, compiler), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_inputs(layer: LayerSpec, target: Target, compiler: str | None = None) -> dict[str, object]:
    """What goes into the digest, readable: `python -m layer_builds digest --json` shows it."""
    inputs: dict[str, object] = {
        "format": FORMAT,
        "runtime": target.runtime,
        "architecture": target.architecture,
        "compiler": None if layer.bytecode == "none" else checked_compiler(target, compiler),
        "bytecode": layer.bytecode,
        "packages": [[pin.name, pin.version, pin.sha256] for pin in load_lock(layer, target).pins],
        "modules": list(load_modules(layer, target)),
        "drop": list(layer.drops(target)),
        "strip": layer.strip,
        "assets": sorted([asset.path, asset.sha256, asset.size] for asset in layer.assets),
        "image": layer.image if layer.source else None,
    }
    if layer.keep:
        inputs["keep"] = list(layer.keep)
    if layer.local:
        inputs["local"] = [[one.name, one.version, one.sha256] for one in layer.local_packages()]
    return inputs


def checked_compiler(target: Target, compiler: str | None) -> str:
    """The patch version that compiles for a target: the pinned one, or another of the same minor version."""
    version = compiler or target.facts.compiler
    if version.split(".")[:2] != target.facts.python.split("."):
        raise LayerBuildError(
            f"Python {version} cannot compile a layer for {target.runtime}: its bytecode is another minor version's. "
            f"Use the pinned {target.facts.compiler} (`strata:layers: {{compiler: pinned}}`), or set the function's "
            f"runtime to python{'.'.join(version.split('.')[:2])}"
        )
    return version
