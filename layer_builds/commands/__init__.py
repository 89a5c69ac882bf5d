"""The commands of `python -m layer_builds`, a module each: HELP, `add_arguments(parser)`, `run(arguments)` → exit code.

A module here imports what it works with when it runs: `--help` and `digest` answer at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from layer_builds.commands import (
    audit,
    build,
    cache,
    digest,
    licences,
    lock,
    publish,
    publish_image,
    qemu_root,
    report,
    sbom,
    verify,
)

if TYPE_CHECKING:
    from layer_builds.command import Command

COMMANDS: Final[tuple[Command, ...]] = (
    lock,
    digest,
    build,
    verify,
    report,
    publish,
    publish_image,
    sbom,
    licences,
    audit,
    cache,
    qemu_root,
)
"""In the order of `--help`."""
