"""Notices that the code of deployed functions was changed, to say that the running cloud does not have it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from layer_builds.plan import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SHARED = "shared"


class Changes:
    """The deployed functions' files, as they were and as they are. Cheap: a file is read when its time changed."""

    def __init__(self, root: Path, functions: Sequence[str]) -> None:
        """Remember what is deployed.

        Args:
            root: the folder of the functions' folders.
            functions: names of those that are deployed; what they share counts too.
        """
        self._root = root
        self._folders = [*functions, SHARED]
        self._times = dict(self._stat())
        self._deployed = {name: self._hash(name) for name in self._times}
        self._told = dict(self._deployed)

    def new(self) -> list[str]:
        """Files that are not as deployed, and were not in this state at the last call."""
        now = dict(self._stat())
        touched = sorted(name for name in {*now, *self._times} if now.get(name) != self._times.get(name))
        self._times = now
        found: list[str] = []
        for name in touched:
            content = self._hash(name)
            if content not in {self._told.get(name, ""), self._deployed.get(name, "")}:
                found.append(name)
            self._told[name] = content
        return found

    def _stat(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for folder in self._folders:
            for path in (path for path in (self._root / folder).rglob("*") if path.suffix in SUFFIXES):
                try:
                    stat = path.stat()
                except OSError:  # just removed, or a link to nothing (editors make such)
                    continue
                yield path.relative_to(self._root).as_posix(), (stat.st_mtime_ns, stat.st_size)

    def _hash(self, name: str) -> str:
        try:
            return hashlib.sha256((self._root / name).read_bytes()).hexdigest()
        except OSError:
            return "gone"
