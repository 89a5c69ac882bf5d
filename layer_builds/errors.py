"""The one exception of the layer builder. Its text is for the person who reads it: what is wrong, and what to run."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class LayerBuildError(Exception):
    """A layer cannot be locked, built, checked or published as it stands.

    The message names the package or file, the rule, and the way out; there is nothing else to read in the exception.
    """


@contextmanager
def disk_errors(doing: str, folder: Path) -> Generator[None]:
    """Say in words what the file system refuses: what was being done, where, and the room that is left.

    Args:
        doing: For the message, for example `building layer web for python3.13-arm64`.
        folder: Where it writes, besides the folder for temporary files.

    Raises:
        LayerBuildError: instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise LayerBuildError(
            f"{doing} failed: {error.strerror or error}{where}. There is {_room(folder)}: if that is too little, make "
            "room (`uv cache prune`, `make clean`) or let TMPDIR name a larger disk, and run it again"
        ) from None


def _room(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    with suppress(OSError):  # without any room `gettempdir` finds no folder to name
        there_too = Path(tempfile.gettempdir())
        free = {one: f"{shutil.disk_usage(one).free / 1e6:,.0f} MB free in {one}" for one in (there, there_too)}
        return " and ".join(free.values())
    return f"no room for temporary files, and {shutil.disk_usage(there).free / 1e6:,.0f} MB free in {there}"
