"""What native files of a layer ask for, read once for each content."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from layer_builds.build.elf import Asked, read_elf
from layer_builds.build.made import key_of
from layer_builds.build.records import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from layer_builds.build.made import Made
    from layer_builds.build.records import Fingerprint


def what_they_ask(
    folder: Path, files: Mapping[str, str], known: Mapping[str, Fingerprint], made: Made
) -> dict[str, Asked]:
    """What native files ask of the system.

    Args:
        folder: Where they are.
        files: Path → the package it is of, for errors.
        known: Fingerprints of files.
        made: What is known of contents.

    Raises:
        LayerBuildError: one is damaged.
    """
    keys = {file: key_of("elf", *known[file]) for file in files if file in known}
    found = made.get(keys.values())
    asked = {file: Asked.parse(json.loads(found[key])) for file, key in keys.items() if key in found}
    fresh = {file: read_elf(folder / file, package) for file, package in files.items() if file not in asked}
    # The smoke call is under way and may have written to one: what is kept is of the content that it is named by.
    whole = {file: one for file, one in fresh.items() if file in keys and fingerprint_of(folder / file) == known[file]}
    made.put({keys[file]: json.dumps(one.document()).encode() for file, one in whole.items()})
    return asked | fresh
