"""`ops prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load, positive
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "delete old layer versions that nothing uses"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("--keep", type=positive, required=True, help="newest versions of each layer to keep")
    parser.add_argument(
        "--function-versions", action="store_true", help="first delete old function versions without an alias"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would happen")


def run(arguments: argparse.Namespace) -> int:
    """Delete them and print what went and what stayed."""
    from ops.prune import prune

    report = prune(
        load(arguments), keep=arguments.keep, function_versions=arguments.function_versions, dry_run=arguments.dry_run
    )
    return show(report, as_json=arguments.json)
