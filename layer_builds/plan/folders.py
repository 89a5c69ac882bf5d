"""Folders of files that an image holds beside its packages: models.

Such files are too large to be committed. What is committed is a list of them, with size and SHA-256: a preview and a
digest read that alone, and whoever builds the image checks the files against it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.limits import MAX_IMAGE_BYTES
from layer_builds.plan.names import is_plain_path
from layer_builds.plan.paths import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

LISTING = "files.json"
"""The list, in the folder itself."""
_WORDS = re.compile(r"[A-Za-z0-9._/-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the repository that goes into an image."""

    place: str
    """Where it goes, below /opt: `model`."""
    path: str
    """Of the folder, from the repository's root: `models/all-minilm-l6-v2`."""
    needs: str = ""
    """A glob of files, one of which has to be in it, because the function opens it."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a place or a word of a command line.

        Raises:
            LayerBuildError: naming the rule.
        """
        for what, value in (("place", self.place), ("path", self.path)):
            if not is_plain_path(value) or not _WORDS.fullmatch(value):
                raise LayerBuildError(
                    f"the folder's {what} is {value!r}: it is a relative path of letters, digits and . _ -"
                )
        if self.place.split("/")[0] == "python":
            raise LayerBuildError(f"the folder's place is {self.place!r}: python/ below /opt is for packages")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a folder."""

    path: str
    """Below the folder."""
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFolder:
    """A folder, as its list describes it."""

    place: str
    directory: Path
    made_by: str
    """The command that makes the files."""
    files: tuple[ListedFile, ...]
    """Sorted by path."""

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(file.bytes for file in self.files)


def read_folder(folder: Folder, repository: Path = REPOSITORY) -> ListedFolder:
    """Read a folder's list; the files themselves are not looked at.

    Args:
        folder: Which, and where it goes.
        repository: What its path is relative to.

    Raises:
        LayerBuildError: the list is missing, or is not one; or it has nothing that the folder needs.
    """
    path = repository / folder.path / LISTING
    try:
        document = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        files = tuple(_file(name, value) for name, value in sorted(document["files"].items()))
        made_by = str(document["made_by"])
    except FileNotFoundError:
        raise LayerBuildError(
            f"{folder.path}/{LISTING} is missing: it lists the files of the folder that goes to /opt/{folder.place}. "
            "Make the folder with the command that its documentation names, and commit that list"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayerBuildError(
            f'{folder.path}/{LISTING} is not a list of files ({error}): it is {{"made_by": "<command>", "files": '
            '{"<path>": {"bytes": <number>, "sha256": "<64 digits>"}}}}'
        ) from None
    if folder.needs and not any(fnmatchcase(file.path, folder.needs) for file in files):
        raise LayerBuildError(
            f"{folder.path}/{LISTING} lists no {folder.needs}, which is what the function opens: name a folder that "
            f"has one, or make this one another way than with `{made_by}`"
        )
    return ListedFolder(place=folder.place, directory=path.parent, made_by=made_by, files=files)


def listing(folder: Path, made_by: str) -> str:
    """The text of a folder's list, from the files that are in it now.

    Args:
        folder: The folder, complete.
        made_by: The command that makes the files, as someone who lacks them has to type it.
    """
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / LISTING
    }
    return json.dumps({"made_by": made_by, "files": files}, indent=1) + "\n"


def _file(path: str, value: dict[str, Any]) -> ListedFile:
    sha256, size = value["sha256"], value["bytes"]
    if not is_plain_path(path) or path == LISTING:
        raise ValueError(f"{path!r} is not the path of one of its files")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"the sha256 of {path} is not 64 hex digits, lower case")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_IMAGE_BYTES:
        raise ValueError(f"the bytes of {path} are not a number from 0 to {MAX_IMAGE_BYTES:,}")
    return ListedFile(path, sha256, size)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
