"""`layer_builds digest`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from layer_builds.commands.options import add_compiler, add_which, chosen, chosen_compiler
from layer_builds.plan import digest_inputs, layer_digest

if TYPE_CHECKING:
    import argparse

HELP = "the digest of each build, without building"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)
    add_compiler(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print digests; with `--json` what went into them as well."""
    compiler = chosen_compiler(arguments)
    rows = [(layer, target, layer_digest(layer, target, compiler)) for layer, target in chosen(arguments)]
    if arguments.json:
        document = [
            {
                "layer": layer.name,
                "target": str(target),
                "digest": digest,
                "inputs": digest_inputs(layer, target, compiler),
            }
            for layer, target, digest in rows
        ]
        print(json.dumps(document))
    else:
        print("\n".join(f"{digest}  {layer.name} {target}" for layer, target, digest in rows))
    return 0
