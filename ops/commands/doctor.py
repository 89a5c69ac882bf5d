"""`ops doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ops.commands.options import add_stack, stack_name
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "tools, credentials, account limits, what fits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_stack(parser)
    parser.add_argument("--offline", action="store_true", help="skip the checks that ask AWS")
    parser.add_argument("--only", action="append", default=[], metavar="CHECK", help="this check and no other: code …")


def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    from ops.doctor import doctor

    report = doctor(
        stack_name(arguments), config_file=arguments.config_file, offline=arguments.offline, only=arguments.only
    )
    return show(report, as_json=arguments.json)
