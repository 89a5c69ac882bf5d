"""`layer_builds report`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from layer_builds.commands.options import add_which, chosen
from layer_builds.plan import load_manifest

if TYPE_CHECKING:
    import argparse

HELP = "what fills a layer, from its manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a table for each layer and target."""
    from layer_builds.commands.screen import contents_document, contents_table

    rows = [(layer.name, str(target), load_manifest(layer).entry(target)) for layer, target in chosen(arguments)]
    if arguments.json:
        print(
            json.dumps([{"layer": name, "target": target, **contents_document(entry)} for name, target, entry in rows])
        )
        return 0
    from rich.console import Console

    # Where nothing says how wide it is (a log, CI), a table must not be folded to 80 columns.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    for name, target, entry in rows:
        console.print(contents_table(name, target, entry))
    return 0
