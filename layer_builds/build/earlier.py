"""A layer that is attached before another: what is in it at once, and its files when somebody opens them.

To unpack thousands of files takes longer than a build in which all else is known: the checks look at names alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from layer_builds.build.unpacking import listed_files, read_entries

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Earlier:
    """One that is built."""

    archive: Path
    folder: Path
    """Where it is unpacked to; nothing is there before that."""
    max_bytes: int
    _unpacked: bool = False
    _lock: Lock = field(default_factory=Lock)

    def files(self) -> list[str]:
        """Paths below /opt.

        Raises:
            LayerBuildError: the archive is damaged, or no layer's.
        """
        return listed_files(self.archive)

    def tree(self) -> Path:
        """The folder that is /opt, unpacked by now.

        Raises:
            LayerBuildError: the archive is damaged, or no layer's.
        """
        with self._lock:
            if not self._unpacked:
                read_entries(self.archive, self.folder, self.max_bytes)
                self._unpacked = True
        return self.folder
