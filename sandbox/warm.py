"""The layer builder's commands, in processes forked from one that has imported it.

A stack with all systems runs a dozen. Each would otherwise start uv and Python, and import boto3, for what a fork
does at once. What runs is the same function with the same words, in a process of its own. The engine runs the command
line itself (tests/engine).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shlex
import sys
import threading
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

PREFIX: Final = ("uv", "run", "--frozen", "python", "-m", "layer_builds")
PRELOADED: Final = ("sandbox.warm", "layer_builds.__main__", "layer_builds.ship.store", "layer_builds.build.builder",
                    "boto3", "botocore.config", "botocore.httpsession")  # fmt: skip
_counting: Final = threading.Lock()
"""Starting a process looks at those that have ended, and two threads that ask for one's exit code lose it."""


def begin() -> None:
    """Start the process to fork from; it imports while the caller does other things."""
    multiprocessing.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()


def words(command: str) -> list[str] | None:
    """The builder's arguments of a command line that is one of its own, in plain words; None of any other."""
    if set(command) & set("|&;<>()$`\\\"'*?[]#~=%\n"):
        return None
    found = shlex.split(command)
    return found[len(PREFIX) :] if tuple(found[: len(PREFIX)]) == PREFIX else None


def run(
    arguments: list[str], folder: str, environment: Mapping[str, str], tell: Callable[[str], object]
) -> tuple[int, str]:
    """Run one.

    Args:
        arguments: of `python -m layer_builds`.
        folder: where it runs.
        environment: all of its variables.
        tell: hears each line of its standard error.

    Returns:
        Its exit code and its standard output.
    """
    context = multiprocessing.get_context("forkserver")
    (out, its_out), (err, its_err) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(arguments, folder, dict(environment), its_out, its_err))
    with _counting:
        process.start()
    its_out.close()
    its_err.close()
    with open(os.dup(err.fileno()), encoding="utf-8", errors="replace") as lines:  # noqa: PTH123 - a descriptor
        for line in lines:
            tell(line.rstrip())
    with open(os.dup(out.fileno()), encoding="utf-8") as output:  # noqa: PTH123 - as above
        stdout = output.read().strip()
    with _counting:
        process.join()
    return process.exitcode or 0, stdout


def _work(arguments: list[str], folder: str, environment: dict[str, str], out: Connection, err: Connection) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    sys.exit(importlib.import_module("layer_builds.__main__").main(arguments))
