"""`layer_builds sbom`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.commands.options import add_builder, add_compiler, add_which, finished_layers, supply_group
from layer_builds.host.folders import build_dir

if TYPE_CHECKING:
    import argparse

HELP = "what is in a layer: CycloneDX 1.6"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)
    add_compiler(parser)
    add_builder(parser)
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="where to write; .build/sbom by default")


def run(arguments: argparse.Namespace) -> int:
    """Write one document for each layer and target; print their paths."""
    with supply_group():
        from layer_builds.ship.sbom import write_sboms

    paths = write_sboms(finished_layers(arguments), arguments.output or build_dir() / "sbom")
    print(json.dumps([str(path) for path in paths]) if arguments.json else "\n".join(map(str, paths)))
    return 0
