"""`layer_builds licences`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.commands.options import add_builder, add_compiler, add_which, finished_layers, supply_group

if TYPE_CHECKING:
    import argparse

HELP = "licences, copyleft flagged"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)
    add_compiler(parser)
    add_builder(parser)
    parser.add_argument(
        "--fail-on",
        action="append",
        metavar="KIND",
        choices=("weak", "strong", "network", "restricted", "unknown"),
        help="weak, strong, network (copyleft), restricted or unknown; by default all but weak",
    )
    parser.add_argument(
        "--accept", action="append", default=[], metavar="PACKAGE", help="reviewed: does not fail the command"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the licences; 1 when one of them is refused."""
    with supply_group():
        from layer_builds.ship.licences import show
        from layer_builds.ship.packaged import read_packages

    reports = [(one.layer, str(one.target), read_packages(one.path)) for one in finished_layers(arguments)]
    return show(reports, fail_on=arguments.fail_on, accepted=arguments.accept, as_json=arguments.json)
