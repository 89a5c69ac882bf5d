"""`ops send`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load, text_of
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "put a message into a function's queue"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("function")
    parser.add_argument("--body", default="-", help="the message, or @FILE, or - for stdin (default)")


def run(arguments: argparse.Namespace) -> int:
    """Send it and print its id."""
    from ops.send import send

    body = text_of("--body", arguments.body)
    return show(send(load(arguments), arguments.function, body), as_json=arguments.json)
