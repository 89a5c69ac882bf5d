"""`layer_builds qemu-root`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from layer_builds.commands.options import logged_runner, screen_for
from layer_builds.plan import ARCHITECTURES, RUNTIMES, Target, host_architecture

if TYPE_CHECKING:
    import argparse

HELP = "unpack a Python for another CPU, for its smoke call"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--runtime", choices=RUNTIMES, help="one runtime; all of them by default")
    parser.add_argument("--architecture", choices=ARCHITECTURES, help="by default the one this machine lacks")


def run(arguments: argparse.Namespace) -> int:
    """Unpack one for each target that Debian has a Python for; print where."""
    from layer_builds.host import qemu

    screen, runner = screen_for(arguments), logged_runner("qemu-root")
    other = next(name for name in ARCHITECTURES if name != host_architecture())
    runtimes = [arguments.runtime] if arguments.runtime else list(RUNTIMES)
    targets = [Target(runtime, arguments.architecture or other) for runtime in runtimes]
    with screen.working() as say:
        for target in targets:
            if target.facts.python not in qemu.RELEASES:
                screen.note(f"{target}: no Debian release has its Python, so its smoke call is not run here")
                continue
            say(f"unpack Python {target.facts.python} for {target.architecture}")
            print(qemu.prepare(target, runner))
    return 0
