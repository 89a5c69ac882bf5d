"""The tokenizer's vocabulary for tests: what the layer builder fetched, building the layer when it has not yet."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from layer_builds.build.builder import build_layer
from layer_builds.plan import Target, host_architecture, load_layer
from sandbox.standins.openai.vocabulary import find_vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.build.finished import BuiltLayer


def built_layer(name: str = "openai-pinecone") -> BuiltLayer:
    """A real layer for the Python that runs the tests; from `.build` when it is there."""
    minor = ".".join(platform.python_version_tuple()[:2])
    target = Target(f"python{minor}", host_architecture())
    return build_layer(load_layer(name), target, compiler=platform.python_version())


def vocabulary() -> Path:
    """A folder for TIKTOKEN_CACHE_DIR."""
    try:
        return find_vocabulary()
    except FileNotFoundError:
        built_layer()
        return find_vocabulary()
