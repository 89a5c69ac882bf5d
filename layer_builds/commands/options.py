"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import platform
from contextlib import contextmanager
from typing import TYPE_CHECKING

from layer_builds.plan import (
    ARCHITECTURES,
    DEFAULT_RUNTIME,
    RUNTIMES,
    LayerBuildError,
    LayerSpec,
    Target,
    host_architecture,
    layer_names,
    layers_before,
    load_layer,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Generator

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.commands.screen import Screen
    from layer_builds.host.processes import Runner


def add_which(parser: argparse.ArgumentParser) -> None:
    """Which layers, for which targets; and `--json`."""
    parser.add_argument("layers", nargs="*", metavar="LAYER", help="folders of layer_builds/layers; all by default")
    parser.add_argument("--runtime", choices=RUNTIMES, help="one runtime")
    parser.add_argument("--architecture", choices=ARCHITECTURES, help="one CPU")
    parser.add_argument("--all", action="store_true", help="every runtime and CPU")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def add_compiler(parser: argparse.ArgumentParser) -> None:
    """`--compiler`."""
    parser.add_argument(
        "--compiler",
        choices=("pinned", "running"),
        default="pinned",
        help="which Python makes the bytecode; `running` is for local stacks, and leaves the manifest alone",
    )


def add_builder(parser: argparse.ArgumentParser) -> None:
    """`--builder`."""
    parser.add_argument("--builder", choices=("native", "docker"), default="native")


def chosen_layers(arguments: argparse.Namespace) -> list[LayerSpec]:
    """The layers that are named, those that others come after first."""
    layers = [load_layer(name) for name in (arguments.layers or layer_names())]
    return sorted(layers, key=lambda layer: len(layers_before(layer)))


def chosen_targets(arguments: argparse.Namespace, layer: LayerSpec, *, everything: bool = False) -> list[Target]:
    """What the options say, of a layer's targets; without any, everything, or the default one on this machine's CPU.

    Raises:
        LayerBuildError: the layer is named, and is not for what is asked for.
    """
    if not (arguments.all or everything or arguments.runtime or arguments.architecture):
        here = [target for target in layer.targets if target.architecture == host_architecture()]
        default = [target for target in here if target.runtime == DEFAULT_RUNTIME]
        return (default or here or list(layer.targets))[-1:]
    found = [
        target
        for target in layer.targets
        if arguments.runtime in {None, target.runtime} and arguments.architecture in {None, target.architecture}
    ]
    if not found and layer.name in arguments.layers:
        asked = "-".join(filter(None, (arguments.runtime, arguments.architecture)))
        raise LayerBuildError(
            f"layer {layer.name} is not for {asked}: its layer.toml says {', '.join(map(str, layer.targets))}"
        )
    return found


def chosen(arguments: argparse.Namespace) -> list[tuple[LayerSpec, Target]]:
    """The layers that are named, each with the targets that the options say; without names, all but those of images.

    What only an image may hold is built with the image: it has gigabytes that no other command should ask for.
    """
    layers = [layer for layer in chosen_layers(arguments) if arguments.layers or not layer.for_images]
    return [(layer, target) for layer in layers for target in chosen_targets(arguments, layer)]


def chosen_compiler(arguments: argparse.Namespace) -> str | None:
    """The CPython patch version that compiles; None is the runtime's pinned one."""
    return platform.python_version() if arguments.compiler == "running" else None


def screen_for(arguments: argparse.Namespace) -> Screen:
    """Where progress and results go."""
    from layer_builds.commands.screen import Screen

    return Screen(plain=getattr(arguments, "json", False))


def logged_runner(name: str) -> Runner:
    """What starts processes for a command, with a log of its own."""
    from layer_builds.host.folders import build_dir
    from layer_builds.host.processes import Log, Processes

    return Processes(Log(build_dir() / f"{name}.log"))


@contextmanager
def supply_group() -> Generator[None]:
    """Say what to install when the packages of the dependency group `supply` are not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise LayerBuildError(
            f"{error.name} is not installed, and `licences` and `sbom` need it: run `make env`"
        ) from None


def finished_layers(arguments: argparse.Namespace) -> list[BuiltLayer]:
    """Archives as they are, or built now; the manifest is `build`'s."""
    from layer_builds.build.many import build_many
    from layer_builds.build.tasks import Ways

    pairs = chosen(arguments)
    with screen_for(arguments).watching(len(pairs)) as watcher:
        ways = Ways(builder=arguments.builder, compiler=chosen_compiler(arguments))
        built, failed = build_many(pairs, ways, watcher)
    for why in failed.values():
        raise LayerBuildError(why)
    return list(built.values())
