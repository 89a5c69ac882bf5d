"""`ops rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "move the alias, and keep it there"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("function")
    parser.add_argument("--to", default="previous", help="a version, `previous` (default), or `latest`")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen")
    parser.add_argument("--untested", action="store_true", help="do not call the version with its test event first")
    parser.add_argument("--force", action="store_true", help="also while an update of the stack is running")


def run(arguments: argparse.Namespace) -> int:
    """Move it and print what was written."""
    from ops.rollback import rollback

    report = rollback(
        load(arguments),
        arguments.function,
        to=arguments.to,
        dry_run=arguments.dry_run,
        force=arguments.force,
        untested=arguments.untested,
    )
    return show(report, as_json=arguments.json)
