"""The commands of `python -m ops`, one module each: HELP, `add_arguments(parser)`, `run(arguments) -> exit code`.

A module here imports what it works with when it runs: `--help` is fast, and `preview-comment` needs nothing but Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ops.commands import (
    deploy,
    doctor,
    images,
    invoke,
    mock_plan,
    package,
    preview_comment,
    prune,
    redrive,
    roles,
    rollback,
    secret,
    send,
    smoke,
    supabase,
    tail,
)

if TYPE_CHECKING:
    from layer_builds.command import Command

COMMANDS: Final[tuple[Command, ...]] = (
    doctor,
    deploy,
    secret,
    smoke,
    invoke,
    send,
    tail,
    redrive,
    rollback,
    prune,
    images,
    roles,
    supabase,
    mock_plan,
    package,
    preview_comment,
)
"""In the order of `--help`."""
