"""`ops redrive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load, positive
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "dead-letter queue → queue or function; nothing is lost"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("function")
    parser.add_argument("--dry-run", action="store_true", help="list the messages, move none")
    parser.add_argument("--max", type=positive, help="at most this many messages")
    parser.add_argument("--rate", type=positive, help="messages a second (1 to 500); default: as fast as SQS likes")


def run(arguments: argparse.Namespace) -> int:
    """Move or list the messages."""
    from ops.redrive import redrive

    report = redrive(
        load(arguments), arguments.function, limit=arguments.max, dry_run=arguments.dry_run, per_second=arguments.rate
    )
    return show(report, as_json=arguments.json)
