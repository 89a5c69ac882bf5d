"""`ops tail`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from ops.commands.options import add_stack, load

if TYPE_CHECKING:
    import argparse

HELP = "a function's log"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("function")
    parser.add_argument("--since", default="10m", help="how far back: 90s, 10m, 2h, 1d (default 10m)")
    parser.add_argument("--follow", "-f", action="store_true", help="keep going until Ctrl-C")
    parser.add_argument("--errors", action="store_true", help="only warnings, errors, timeouts and crashes")
    parser.add_argument("--filter", help="CloudWatch filter pattern, for example '{ $.level = \"ERROR\" }'")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="what differs from line to line (default on a terminal)")
    form.add_argument("--wide", action="store_true", help="all that each record says (default elsewhere)")


def run(arguments: argparse.Namespace) -> int:
    """Print the events as they come, one a line."""
    from ops.log_lines import entry_of, is_problem, line_of
    from ops.tail import events, seconds_of

    since = seconds_of(arguments.since)
    short = arguments.short or (sys.stdout.isatty() and not arguments.wide)
    for event in events(
        load(arguments), arguments.function, since_seconds=since, follow=arguments.follow, pattern=arguments.filter
    ):
        entry = entry_of(event)
        if arguments.errors and not is_problem(entry):
            continue
        line = json.dumps(event, ensure_ascii=False) if arguments.json else line_of(event, entry, short=short)
        if line is not None:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return 0
