"""`layer_builds build`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.commands.options import (
    add_builder,
    add_compiler,
    add_which,
    chosen,
    chosen_compiler,
    screen_for,
)
from layer_builds.plan import LAYERS_DIR, REPOSITORY, LayerBuildError, load_manifest

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.build.tasks import Task
    from layer_builds.plan import LayerSpec

HELP = "build, check, and write the manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)
    add_compiler(parser)
    add_builder(parser)
    parser.add_argument(
        "--check", action="store_true", help="fail where manifest.json does not match this build, and write nothing"
    )
    parser.add_argument(
        "--processes", type=int, metavar="N", help="builds at once; by default one for each core, at most 8"
    )
    parser.add_argument("--force", action="store_true", help="build even if the digest is there already")


def run(arguments: argparse.Namespace) -> int:
    """Build what is not there yet; print a table of all of it, and every failure."""
    from layer_builds.build.many import build_many
    from layer_builds.build.outcome import update_manifest
    from layer_builds.build.tasks import Ways
    from layer_builds.commands.screen import show_builds

    screen, compiler = screen_for(arguments), chosen_compiler(arguments)
    pairs = chosen(arguments)
    ways = Ways(builder=arguments.builder, compiler=compiler, force=arguments.force, processes=arguments.processes)
    with screen.watching(len(pairs)) as watcher:
        built, failed = build_many(pairs, ways, watcher)
    stale: list[str] = []
    for layer in {layer.name: layer for layer, _ in pairs}.values():
        ours = [one for (name, _), one in built.items() if name == layer.name]
        if compiler is None and arguments.check:
            stale += [f"{layer.name} {one.target}" for one in ours if _is_stale(layer, one)]
        elif compiler is None and ours and update_manifest(layer, ours):
            # The folder may be the scaffold's copy, which is gone when this is read.
            folder = LAYERS_DIR.relative_to(REPOSITORY).as_posix()
            screen.note(f"{folder}/{layer.name}/{layer.manifest_path.name} is new: commit it")
    for one in built.values():
        for note in one.notes:
            screen.note(f"{one.layer} {one.target}: {note}")
    show_builds(
        screen, [(one.layer, one.target, one.entry, _how(one)) for one in built.values()], as_json=arguments.json
    )
    if failed:
        raise LayerBuildError(_failures(failed))
    if stale:
        raise LayerBuildError(
            f"manifest.json is not of today's build of {', '.join(stale)}: run `python -m layer_builds build --all` "
            "and commit it"
        )
    return 0


def _failures(failed: Mapping[Task, str]) -> str:
    if len(failed) == 1:
        return next(iter(failed.values()))
    parts = [f"{name} {target}: {why}" for (name, target), why in failed.items()]
    return f"{len(failed)} builds failed.\n\n" + "\n\n".join(parts)


def _is_stale(layer: LayerSpec, built: BuiltLayer) -> bool:
    known = load_manifest(layer).entries.get(str(built.target))
    return known is None or {**known.document(), "smoke": ""} != {**built.entry.document(), "smoke": ""}


def _how(built: BuiltLayer) -> str:
    return "cached" if built.hit else f"built in {built.seconds:.1f} s"
