"""`ops smoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "every function answers its test event"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("functions", nargs="*", metavar="FUNCTION", help="only these")


def run(arguments: argparse.Namespace) -> int:
    """Call them and print their answers."""
    from ops.lambda_calls import smoke

    return show(smoke(load(arguments), arguments.functions), as_json=arguments.json)
