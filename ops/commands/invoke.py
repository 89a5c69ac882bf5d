"""`ops invoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load, text_of
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "call one function through its alias"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("function")
    parser.add_argument("--event", default="-", help="JSON, or @FILE, or - for stdin (default)")
    parser.add_argument("--async", dest="asynchronous", action="store_true", help="queue the event, do not wait")
    parser.add_argument("--logs", action="store_true", help="show the end of the run's log")


def run(arguments: argparse.Namespace) -> int:
    """Call it and print its answer."""
    from ops.lambda_calls import invoke, read_event

    event = read_event(text_of("--event", arguments.event))
    report = invoke(
        load(arguments), arguments.function, event, asynchronous=arguments.asynchronous, logs=arguments.logs
    )
    return show(report, as_json=arguments.json)
