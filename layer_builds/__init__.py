"""Lambda layers, from a list of requirements to a checked, reproducible archive.

`python -m layer_builds` is the command line. What a preview needs (digest, manifest, budget) is pure Python over
committed files; building and publishing are loaded only when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.budget import MAX_LAYERS, MAX_UNZIPPED_BYTES, check_function_budget
from layer_builds.digest import FORMAT, layer_digest
from layer_builds.errors import LayerBuildError
from layer_builds.manifest import Distribution, Manifest, ManifestEntry, load_manifest
from layer_builds.spec import LAYERS_DIR, Asset, LayerSpec, layer_names, load_layer
from layer_builds.targets import ALL_TARGETS, RUNTIMES, Runtime, Target, host_architecture

if TYPE_CHECKING:
    from layer_builds.build import BuiltLayer, build_layer
    from layer_builds.checks import verify
    from layer_builds.interpreters import find_interpreter, runtime_root

__all__ = [
    "ALL_TARGETS",
    "FORMAT",
    "LAYERS_DIR",
    "MAX_LAYERS",
    "MAX_UNZIPPED_BYTES",
    "RUNTIMES",
    "Asset",
    "BuiltLayer",
    "Distribution",
    "LayerBuildError",
    "LayerSpec",
    "Manifest",
    "ManifestEntry",
    "Runtime",
    "Target",
    "build_layer",
    "check_function_budget",
    "find_interpreter",
    "host_architecture",
    "layer_digest",
    "layer_names",
    "load_layer",
    "load_manifest",
    "runtime_root",
    "verify",
]

_LAZY = {
    "BuiltLayer": "layer_builds.build",
    "build_layer": "layer_builds.build",
    "find_interpreter": "layer_builds.interpreters",
    "runtime_root": "layer_builds.interpreters",
    "verify": "layer_builds.checks",
}


def __getattr__(name: str) -> object:
    """Load what builds, with its dependencies, on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only a build pays for it

    return getattr(import_module(_LAZY[name]), name)
