"""`ops images pin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.plan import RUNTIMES
from ops.commands.options import add_stack, stack_name
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "pin the base images of container images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's one action."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    action = actions.add_parser("pin", help="write the digests that the registry has today into the stack's config")
    add_stack(action)
    action.add_argument(
        "--runtime",
        action="append",
        default=[],
        choices=RUNTIMES,
        help="can be repeated; by default those that are pinned already",
    )
    action.add_argument("--repository", help="a mirror of public.ecr.aws/lambda/python, with the same tags")
    action.add_argument("--dry-run", action="store_true", help="say what would be written")


def run(arguments: argparse.Namespace) -> int:
    """Pin, and print what was written."""
    from ops.images import LAMBDA_PYTHON, pin_bases
    from ops.load_stack import ROOT
    from ops.stack_file import stack_file

    report = pin_bases(
        arguments.config_file or stack_file(stack_name(arguments), ROOT),
        arguments.runtime,
        repository=arguments.repository or LAMBDA_PYTHON,
        dry_run=arguments.dry_run,
    )
    return show(report, as_json=arguments.json)
