"""Files on this machine's disk: their hashes, and a disk that is full or refuses, said in words."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Generator


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        raise LayerBuildError(
            f"{doing} failed: {_what(error)}. There is {_room(folder)}: if that is too little, make "
            "room (`uv cache prune`, `make clean`) or let TMPDIR name a larger disk, and run it again"
        ) from None


def _what(error: OSError) -> str:
    import shutil

    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        # Of a folder: each of its files, with a text of its own.
        source, _, why = cast("list[tuple[str, str, str]]", error.args[0])[0]
        return f"{why.partition(': ')[0]} ({source})"
    return f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"


def _room(folder: Path) -> str:
    import shutil
    import tempfile

    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    with suppress(OSError):  # without any room `gettempdir` finds no folder to name
        there_too = Path(tempfile.gettempdir())
        free = {one: f"{shutil.disk_usage(one).free / 1e6:,.0f} MB free in {one}" for one in (there, there_too)}
        return " and ".join(free.values())
    return f"no room for temporary files, and {shutil.disk_usage(there).free / 1e6:,.0f} MB free in {there}"
