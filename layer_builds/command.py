"""What the command lines here have in common: the form of a command's module, and what is said without `make env`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


OURS = frozenset({"benchmarks", "components", "lambdas", "layer_builds", "ops", "sandbox", "scripts", "tests"})


class Command(Protocol):
    """What a module of a `commands` folder holds."""

    __name__: str

    @property
    def HELP(self) -> str:  # noqa: N802 (a constant of the module)
        """One line for `--help`."""
        ...

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments to its parser."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; returns the exit code."""
        ...


def name_of(command: Command) -> str:
    """`layer_builds.commands.qemu_root` → `qemu-root`."""
    return command.__name__.rpartition(".")[2].replace("_", "-")


def add_commands(top: argparse.ArgumentParser, commands: Iterable[Command]) -> None:
    """Add each command's parser, which sets `run`; one of them has to be given.

    Args:
        top: the command line's parser.
        commands: in the order of `--help`.
    """
    parsers: Any = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        parser = parsers.add_parser(name_of(command), help=command.HELP)
        command.add_arguments(parser)
        parser.set_defaults(run=command.run)


def without_environment(error: ModuleNotFoundError) -> str:
    """Say what to do where a package is not installed, which is what a shell without the environment comes to.

    Args:
        error: as it was raised.

    Returns:
        One line.

    Raises:
        ModuleNotFoundError: the same error, where the module is one of this repository: that is a bug.
    """
    if error.name is None or error.name.partition(".")[0] in OURS:
        raise error
    return (
        f"{sys.executable} has no package {error.name}: run `make env` once, then `source .venv/bin/activate` in "
        "each shell"
    )
