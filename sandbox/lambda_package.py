"""What a function's package decides, and the package of one that is an image: the folders that the image would hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layer_builds.plan import REPOSITORY
from sandbox.json_parts import part
from sandbox.workspace import SandboxError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

IMAGES = REPOSITORY / ".build" / "images"
"""Where the command that builds and pushes an image leaves, on this machine, the folders that the image would hold:
`<tag>/task` (its /var/task), `<tag>/opt` (its /opt) and `<tag>/image.json` with its `runtime`. The command finds the
folder in `STRATA_IMAGES`, and then needs neither Docker nor a registry."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a function's package decides."""

    handler: str
    runtime: str
    task: Path
    layers: Path | None


def image_package(config: Mapping[str, Any], images: Path = IMAGES) -> Package:
    """The folders that an image would hold: see `IMAGES`.

    Args:
        config: the function's configuration, with its ImageUri.
        images: where images' folders are.

    Raises:
        SandboxError: they are not there, or the image names no handler.
    """
    folder = images / str(config["ImageUri"]).rpartition(":")[2]
    commands: list[str] = part(config, "ImageConfigResponse", "ImageConfig").get("Command") or []
    try:
        described = json.loads((folder / "image.json").read_text(encoding="utf-8"))
        return Package(commands[0], described["runtime"], folder / "task", folder / "opt")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise SandboxError(
            f"the image {config['ImageUri']} cannot be run here ({error!r}): its command names the handler, and the "
            f"folders of the image are in {folder}, written by the command that would push it"
        ) from None
