"""`ops roles`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.options import add_json
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "what each role that this checkout declares may do"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)
    parser.add_argument("--stack", required=True, help="whose config to use")
    parser.add_argument("--output", type=Path, help="write a page there (Markdown)")


def run(arguments: argparse.Namespace) -> int:
    """Print the statements, or write the page."""
    from ops.roles import write_page

    return show(write_page(arguments.stack, arguments.output), as_json=arguments.json)
