"""Whether a smoke call wrote into a layer, which is read-only in Lambda."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from layer_builds.build.tree import PYTHON, packages
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from layer_builds.plan import LayerSpec, Target


def tree_state(tree: Path) -> dict[str, tuple[int, int]]:
    """Bytes and time of all files and folders; a folder's time tells of a file that came and went."""
    found: dict[str, tuple[int, int]] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        state = os.lstat(f"{tree}/{folder}")
        found[folder] = (state.st_size, state.st_mtime_ns)
        with os.scandir(f"{tree}/{folder}") as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{path}/")
                else:
                    state = entry.stat(follow_symlinks=False)
                    found[path] = (state.st_size, state.st_mtime_ns)
    return found


def check_unwritten(
    layer: LayerSpec, target: Target, name: str, tree: Path, known: Mapping[str, tuple[int, int]]
) -> None:
    """Refuse a call that wrote into a layer.

    Raises:
        LayerBuildError: naming the file, and the packages that have files there.
    """
    changed = sorted(path for path, _ in set(known.items()) ^ set(tree_state(tree).items()))
    if changed:
        # The last one is no folder that merely holds another.
        raise LayerBuildError(
            f"the smoke call of layer {layer.name} for {target} wrote to {changed[-1].rstrip('/')} of layer {name}"
            f"{_beside(tree, changed[-1])}, and /opt is read-only in Lambda. Let the package write to /tmp (most have "
            "a variable for it: `[environment]` in layer.toml), or ship what it writes as an asset"
        )


def _beside(tree: Path, path: str) -> str:
    """The packages that have files where a path is, for a message."""
    place = PurePosixPath(path.removeprefix(f"{PYTHON}/"))
    installed = packages(tree / PYTHON)
    for folder in (place, *place.parents):
        found = [str(one) for one in installed if any(file.startswith(f"{folder}/") for file in one.files)]
        if found:
            return f" (package {', '.join(found)})"
    return ""
