"""`layer_builds publish-image`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from layer_builds.commands.options import add_builder, add_compiler, chosen_compiler, screen_for
from layer_builds.plan import ARCHITECTURES, RUNTIMES, Folder, LayerBuildError, Target, read_image

if TYPE_CHECKING:
    from layer_builds.plan import ImageSpec

HELP = "build a function's container image when needed, and push it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "The program runs this for each function that is shipped as an image. The tag is a digest of all that is in "
        "it: an image that the registry has under its tag is neither built nor pushed again."
    )
    add_compiler(parser)
    add_builder(parser)
    parser.add_argument("system", metavar="SYSTEM", help="a folder of lambdas")
    parser.add_argument("--tag", required=True, help="what the preview computed")
    parser.add_argument("--runtime", choices=RUNTIMES, required=True)
    parser.add_argument("--architecture", choices=ARCHITECTURES, required=True)
    parser.add_argument("--base", required=True, help="the base image, by its digest")
    parser.add_argument("--handler", required=True, help="module.function")
    parser.add_argument("--layer", action="append", default=[], help="what goes to /opt; can be repeated")
    parser.add_argument(
        "--folder", type=_folder, action="append", default=[], metavar="PLACE=PATH", help="a model's; can be repeated"
    )
    parser.add_argument("--repository", required=True, help="<registry>/<name>")
    parser.add_argument("--account", required=True, help="the account to publish to; any other is refused")
    parser.add_argument("--region", required=True)
    parser.add_argument("--profile")


def run(arguments: argparse.Namespace) -> int:
    """Print one line of JSON: where the image is."""
    from layer_builds.ship.images import Destination, publish_image

    destination = Destination(
        repository=arguments.repository,
        account=arguments.account,
        region=arguments.region,
        profile=arguments.profile,
    )
    with screen_for(arguments).working() as say:
        published = publish_image(
            _image(arguments),
            arguments.base,
            arguments.tag,
            destination,
            builder=arguments.builder,
            compiler=chosen_compiler(arguments),
            progress=say,
        )
    print(json.dumps(published.document()))
    return 0


def _image(arguments: argparse.Namespace) -> ImageSpec:
    target = Target(arguments.runtime, arguments.architecture)
    try:
        return read_image(arguments.system, arguments.handler, arguments.layer, arguments.folder, target)
    except FileNotFoundError as error:
        raise LayerBuildError(str(error)) from None


def _folder(text: str) -> Folder:
    place, _, path = text.partition("=")
    try:
        return Folder(place, path)
    except LayerBuildError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not <place>=<path>: {error}") from None
