"""Guards between processes of one machine: advisory, and freed by the system when their holder ends, however it ends.

Owns the folders that builds work in as well, since a guard tells those in use from those that a killed build left. On
Windows there are no guards: what waits for one goes on without it, and nothing is taken for left behind.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def guarded(path: Path) -> Generator[None]:
    """Hold the guard of a file, which is made when it is not there; waits for whoever has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    with _held(path, wait=True):
        yield


@contextmanager
def staging_folder(parent: Path, prefix: str) -> Generator[Path]:
    """A folder for one build, deleted when it ends; first, what builds that were killed left in `parent` is."""
    parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        # Nobody may find the new folder before its own guard is held.
        with guarded(parent.with_name("staging.guard")):
            _remove_orphans(parent)
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            stack.callback(_remove, folder)
            stack.enter_context(_held(folder, wait=True))
        yield folder


def _remove(folder: Path) -> None:
    """Delete a folder that is ours alone; shutil, which minds exchanged links, takes twice as long."""
    try:
        _remove_all(str(folder))
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_all(folder: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_all(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - thousands of times
    os.rmdir(folder)  # noqa: PTH106


def _remove_orphans(parent: Path) -> None:
    for folder in (path for path in parent.iterdir() if path.is_dir()):
        with _held(folder, wait=False) as free:
            if free:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(path: Path, *, wait: bool) -> Generator[bool]:
    """Hold the guard of a file or folder; false when somebody else has it and it is not waited for."""
    if sys.platform == "win32":
        yield wait
        return
    import fcntl

    descriptor = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
