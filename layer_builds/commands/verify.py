"""`layer_builds verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.commands.options import (
    add_compiler,
    add_which,
    chosen,
    chosen_compiler,
    screen_for,
)

if TYPE_CHECKING:
    import argparse

    from layer_builds.plan import ManifestEntry, Target

HELP = "check finished archives as if somebody else had built them"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_which(parser)
    add_compiler(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check each; the first thing that is wrong ends it."""
    from layer_builds.build.verify import verify
    from layer_builds.commands.screen import show_builds

    screen, compiler = screen_for(arguments), chosen_compiler(arguments)
    rows: list[tuple[str, Target, ManifestEntry, str]] = []
    with screen.working() as say:
        for layer, target in chosen(arguments):
            say(f"{layer.name} {target}: verify")
            rows.append((layer.name, target, verify(layer, target, compiler=compiler), "verified"))
    show_builds(screen, rows, as_json=arguments.json)
    return 0
