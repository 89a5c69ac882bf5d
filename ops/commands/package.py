"""`ops package`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.options import add_json
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "write function.zip and function-metadata.json of a system, as a deployment would upload it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)
    parser.add_argument("system", help="such as orchestrator")
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--architecture", default="arm64", choices=("arm64", "x86_64"))
    parser.add_argument("--output", type=Path, default=Path(".build/packages"), help="the folder (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Write them."""
    from layer_builds.plan import Target
    from ops.package import write_package

    target = Target(arguments.runtime, arguments.architecture)
    report = write_package(arguments.system, target, arguments.output / arguments.system)
    return show(report, as_json=arguments.json)
