"""What builds need of this machine, looked at before the first of them begins: a Python for each runtime."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from layer_builds.host.compilers import get_interpreter
from layer_builds.host.interpreters import find_interpreter, find_others, find_python
from layer_builds.plan import LayerBuildError, checked_compiler, committed_entry, layer_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from layer_builds.build.tasks import Task, Ways
    from layer_builds.plan import LayerSpec, Target


def without_python(tasks: Mapping[Task, LayerSpec], ways: Ways) -> dict[Task, str]:
    """The builds that no Python of this machine can make, and why; uv is asked for the release once, not by each build.

    Args:
        tasks: What is to be built.
        ways: How; in Docker the image's Python counts.
    """
    if ways.builder == "docker":
        return {}
    missing = cache(_missing)  # for these builds alone: an interpreter may be installed later
    found = {task: _problem(layer, task[1], ways.compiler, missing) for task, layer in tasks.items()}
    return {task: problem for task, problem in found.items() if problem is not None}


def _problem(
    layer: LayerSpec, target: Target, compiler: str | None, missing: Callable[[str, bool], str | None]
) -> str | None:
    try:
        if layer.bytecode == "none":
            find_python(target.facts)
            return None
        known = committed_entry(layer, target, layer_digest(layer, target, compiler)) is not None
        return missing(checked_compiler(target, compiler), known)
    except LayerBuildError as error:
        return str(error)


def _missing(version: str, stand_ins: bool) -> str | None:
    """Why there is no Python that may compile for a release; see `compilers.py`."""
    try:
        find_interpreter(version)
    except LayerBuildError:
        # Whether their bytes are the right ones is for the build to tell.
        if stand_ins and find_others(version):
            return None
        try:
            get_interpreter(version)
        except LayerBuildError as error:
            return str(error)
    return None
