"""`ops mock-plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.options import add_json
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "the resources that a checkout declares, without backend or credentials"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)
    parser.add_argument("--program", type=Path, default=Path(), help="the checkout (default: here)")
    parser.add_argument("--stack", required=True, help="whose config to use")
    parser.add_argument("--output", type=Path, required=True, help="where to write the plan (JSON)")


def run(arguments: argparse.Namespace) -> int:
    """Write the plan."""
    from ops.mock_plan import write_plan

    return show(write_plan(arguments.program, arguments.stack, arguments.output), as_json=arguments.json)
