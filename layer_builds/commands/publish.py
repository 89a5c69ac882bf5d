"""`layer_builds publish`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from layer_builds.commands.options import add_builder, add_compiler, chosen_compiler, screen_for
from layer_builds.plan import ARCHITECTURES, RUNTIMES, Target, load_layer

if TYPE_CHECKING:
    import argparse

HELP = "build when needed, and upload"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_compiler(parser)
    add_builder(parser)
    parser.add_argument("layer", metavar="LAYER")
    parser.add_argument("--runtime", choices=RUNTIMES, required=True)
    parser.add_argument("--architecture", choices=ARCHITECTURES, required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--account", required=True, help="the account to publish to; any other is refused")
    parser.add_argument("--region", required=True)
    parser.add_argument("--profile")


def run(arguments: argparse.Namespace) -> int:
    """Print one line of JSON: where the archive is."""
    from layer_builds.ship.store import publish

    with screen_for(arguments).working() as say:
        published = publish(
            load_layer(arguments.layer),
            Target(arguments.runtime, arguments.architecture),
            bucket=arguments.bucket,
            account=arguments.account,
            region=arguments.region,
            profile=arguments.profile,
            builder=arguments.builder,
            compiler=chosen_compiler(arguments),
            progress=say,
        )
    print(json.dumps(published.document()))
    return 0
