"""`ops preview-comment`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ops.commands.options import add_json
from ops.report import show

if TYPE_CHECKING:
    import argparse

HELP = "the comment on a pull request, as Markdown, with sizes as an SVG"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--preview", type=Path, help="output of `pulumi preview --json`, or an engine event log")
    source.add_argument("--head", type=Path, help="plan of the pull request (mock-plan); needs --base")
    source.add_argument("--artifact", type=Path, help="zip from an untrusted run, holding base.json and head.json")
    parser.add_argument("--base", type=Path, help="plan of what it would be merged into (mock-plan)")
    parser.add_argument("--sizes", type=Path, help="a plan whose sizes to show beside --preview (mock-plan)")
    parser.add_argument("--sizes-before", type=Path, help="and one to compare them with")
    parser.add_argument("--doctor", type=Path, help="output of `ops doctor --json`: problems are shown first")
    parser.add_argument("--stack", required=True, help="the stack's name, for the heading")
    parser.add_argument("--output", type=Path, help="where to write the Markdown (default: stdout)")
    parser.add_argument("--svg", type=Path, help="where to write the sizes as an SVG")
    parser.add_argument("--link", help="address of the run that made it, for the last line")


def run(arguments: argparse.Namespace) -> int:
    """Write the comment; the exit code says whether the preview itself failed."""
    from ops.preview_comment import write_comment

    report = write_comment(arguments)
    return 0 if report is None else show(report, as_json=arguments.json)
