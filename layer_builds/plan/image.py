"""A function's container image: what is in it, and the digest of that.

Owns the reading of an image's parts from committed files and its tag, which a preview knows without Docker. Building
and pushing is `ship/images.py`'s.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.plan.budget import check_image_budget
from layer_builds.plan.code_files import read_code, root_files
from layer_builds.plan.digest import layer_digest
from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.folders import Folder, ListedFolder, read_folder
from layer_builds.plan.layers import load_layer
from layer_builds.plan.paths import LAYERS_DIR, REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from layer_builds.plan.spec import LayerSpec
    from layer_builds.plan.targets import Target

IMAGE_FORMAT = 1
"""Raised when, and only when, the builder makes another image of the same parts."""
TAG_LENGTH = 40
"""Hex digits of the digest in an image's tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """The parts of one function's image, beside its base."""

    system: str
    """The folder in `lambdas/`."""
    handler: str
    code: Mapping[str, str]
    """Path below /var/task → text."""
    layers: tuple[LayerSpec, ...]
    """Their contents go to /opt, in this order."""
    folders: tuple[ListedFolder, ...]
    """So do they."""
    target: Target


def image_digest(image: ImageSpec, base: str, compiler: str | None = None) -> str:
    """The name of what building an image gives.

    Args:
        image: Its parts.
        base: The base image, by its digest.
        compiler: CPython patch version that makes the layers' bytecode; None is the runtime's pinned one.

    Returns:
        64 hex digits; the first `TAG_LENGTH` of them are the image's tag.

    Raises:
        LayerBuildError: as for `layer_digest`.
    """
    parts = {
        "format": IMAGE_FORMAT,
        "base": base,
        "architecture": image.target.architecture,
        "runtime": image.target.runtime,
        "handler": image.handler,
        "layers": [layer_digest(layer, image.target, compiler) for layer in image.layers],
        "folders": [
            [folder.place, [[file.path, file.sha256, file.bytes] for file in folder.files]] for folder in image.folders
        ],
        "code": dict(image.code),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def image_tag(digest: str) -> str:
    """The tag of an image, from its digest."""
    return digest[:TAG_LENGTH]


def read_image(
    system: str,
    handler: str,
    layers: Sequence[str],
    folders: Sequence[Folder],
    target: Target,
    *,
    repository: Path = REPOSITORY,
    layers_root: Path = LAYERS_DIR,
) -> ImageSpec:
    """Read the parts of an image, as they are in the repository.

    Args:
        system: The folder in `lambdas/`.
        handler: `module.function`.
        layers: Names, in the order in which they are unpacked over each other.
        folders: What else goes to /opt.
        target: Runtime and architecture.
        repository: Where code and folders are.
        layers_root: Where the layers are.

    Raises:
        LayerBuildError: a layer is not locked or built for this target, or all of it together cannot be an image.
        FileNotFoundError: there is no code of that name.
    """
    code = read_code(system, repository, at_root=root_files(handler))
    image = ImageSpec(
        system=system,
        handler=handler,
        code=code,
        layers=tuple(load_layer(layer, root=layers_root) for layer in layers),
        folders=tuple(read_folder(folder, repository) for folder in folders),
        target=target,
    )
    check_image(image)
    return image


def check_image(image: ImageSpec) -> None:
    """Refuse an image that cannot work, before anything is built.

    Raises:
        LayerBuildError: two of its parts have the same place, or it is larger than Lambda takes.
    """
    places = [folder.place for folder in image.folders]
    for index, place in enumerate(places):
        for other in places[index + 1 :]:
            if place == other or f"{other}/".startswith(f"{place}/") or f"{place}/".startswith(f"{other}/"):
                raise LayerBuildError(
                    f"two folders of {image.system} go to /opt/{place} and /opt/{other}: give each a place of its own"
                )
    size = sum(len(text.encode()) for text in image.code.values()) + sum(folder.bytes for folder in image.folders)
    check_image_budget(image.system, size, image.layers, image.target)
