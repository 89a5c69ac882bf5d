"""Installed wheels, each in a folder under its hash: a layer's files are links to them, and nothing is installed twice.

What is in a wheel's folder is what `uv pip install` made of the wheel that the lock names, checked against its RECORD.
It is never written to again: a step that changes a file of a layer puts another one in its place. A folder that is
damaged all the same (its files have other sizes or times than when it was made) is made anew.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.build.elf import is_native
from layer_builds.build.prune import mentions_tests
from layer_builds.build.records import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from layer_builds.build.records import Fingerprint

_FILES = "files"
_FACTS = "facts.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What is known of the files of one installed wheel."""

    fingerprints: Mapping[str, Fingerprint]
    """Path → its hash and bytes, as RECORD writes them."""
    times: Mapping[str, int]
    """Path → when it was written, in nanoseconds."""
    natives: tuple[str, ...]
    """Those that are native code."""
    tests: tuple[str, ...]
    """Modules that say `test` or `tests`: no other one can import such a folder."""
    notes: tuple[str, ...] = field(default=())
    """What was odd about the wheel."""


class WheelStore:
    """The folders of installed wheels."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, sha256: str) -> bool:
        """Whether a wheel has been installed."""
        return (self.root / sha256 / _FACTS).is_file()

    def add(self, sha256: str, staging: Path, files: Mapping[str, Fingerprint], notes: Iterable[str] = ()) -> None:
        """Take a package's files out of the folder that it was installed to.

        Args:
            sha256: Of the wheel.
            staging: Where it was installed to; on the same disk.
            files: Its files, below that.
            notes: What was odd about it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{sha256[:8]}.", dir=self.root))
        try:
            times: dict[str, int] = {}
            natives: list[str] = []
            tests: list[str] = []
            for file in files:
                place = folder / _FILES / file
                place.parent.mkdir(parents=True, exist_ok=True)
                (staging / file).replace(place)
                times[file] = place.stat().st_mtime_ns
                if is_native(place):
                    natives.append(file)
                elif file.endswith(".py") and mentions_tests(place):
                    tests.append(file)
            installed = Installed(
                fingerprints=dict(files), times=times, natives=tuple(natives), tests=tuple(tests), notes=tuple(notes)
            )
            facts = asdict(installed)
            (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")
            with suppress(OSError):  # another build was quicker: its folder holds the same
                folder.rename(self.root / sha256)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def read(self, sha256: str) -> Installed | None:
        """What is known of a wheel; None, and no folder any more, when it is damaged or gone."""
        folder = self.root / sha256
        installed = None
        try:
            installed = _parse(json.loads((folder / _FACTS).read_text(encoding="utf-8")))
            whole = all(
                _state(f"{folder}/{_FILES}/{file}") == (int(size), installed.times[file])
                for file, (_, size) in installed.fingerprints.items()
            )
            os.utime(folder)
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            self.remove(sha256)
        return installed if whole else None

    def path(self, sha256: str, file: str) -> Path:
        """Where a file of a wheel is."""
        return self.root / sha256 / _FILES / file

    def derived(self, sha256: str, kind: str) -> dict[str, Fingerprint]:
        """What was made of a wheel's files before, and is as it was then: path in a layer → fingerprint."""
        folder = self.root / sha256
        found: dict[str, Fingerprint] = {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            rows = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
            for file, (digest, size, when) in rows.items():
                with suppress(OSError):
                    if _state(f"{folder}/{kind}/{file}") == (int(size), when):
                        found[str(file)] = (str(digest), str(size))
        return found

    def add_derived(self, sha256: str, kind: str, files: Mapping[str, bytes]) -> None:
        """Keep what was made of a wheel's files, with the wheel; a folder that is not there any more keeps nothing.

        Two builds may do so at once: what one of them forgets of the other's is made again.
        """
        folder = self.root / sha256
        known = self.derived(sha256, kind)
        with suppress(OSError), tempfile.TemporaryDirectory(prefix="new-", dir=folder) as staging:
            for file, data in files.items():
                staged, place = Path(staging) / "file", folder / kind / file
                staged.write_bytes(data)
                place.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(place)  # what a layer is linked to stays as it is
                known[file] = fingerprint(data)
            rows = {
                file: (digest, size, _state(f"{folder}/{kind}/{file}")[1]) for file, (digest, size) in known.items()
            }
            facts = Path(staging) / "facts"
            facts.write_text(json.dumps(rows), encoding="utf-8")
            facts.replace(folder / f"{kind}.json")

    def link(self, sha256: str, files: Iterable[str], python: Path, kind: str = _FILES) -> None:
        """Put files of a wheel, or what was made of them, into a layer."""
        made: set[str] = set()
        source, place = f"{self.root}/{sha256}/{kind}", str(python)
        for file in files:
            folder = file.rpartition("/")[0]
            if folder not in made:
                os.makedirs(f"{place}/{folder}", exist_ok=True)  # noqa: PTH103 - thousands of times
                made.add(folder)
            _link(f"{source}/{file}", f"{place}/{file}")

    def remove(self, sha256: str) -> None:
        """Delete a wheel's folder."""
        shutil.rmtree(self.root / sha256, ignore_errors=True)

    def size(self) -> tuple[int, int]:
        """Wheels, and bytes of their files."""
        sizes = [_bytes(folder) for folder in self._folders()]
        return len(sizes), sum(sizes)

    def trim(self, limit: int) -> None:
        """Delete wheels that were used longest ago until the rest has at most so many bytes."""
        kept = 0
        for folder in sorted(self._folders(), key=lambda path: -path.stat().st_mtime_ns):
            kept += _bytes(folder)
            if kept > limit:
                shutil.rmtree(folder, ignore_errors=True)
        for left in self.root.glob("*.*"):  # of a build that was killed an hour ago
            if time.time() - left.stat().st_mtime > 3600:  # noqa: PLR2004
                shutil.rmtree(left, ignore_errors=True)

    def _folders(self) -> list[Path]:
        return [path.parent for path in self.root.glob(f"*/{_FACTS}") if "." not in path.parent.name]


def _state(path: str) -> tuple[int, int]:
    state = os.stat(path)  # noqa: PTH116 - thousands of times
    return state.st_size, state.st_mtime_ns


def _link(source: str, place: str) -> None:
    try:
        os.link(source, place)
    except OSError:  # another disk, or a file system without hard links
        if Path(place).exists() or not Path(source).exists():
            raise
        shutil.copyfile(source, place)


def _parse(data: Mapping[str, Any]) -> Installed:
    return Installed(
        fingerprints={str(file): (str(digest), str(size)) for file, (digest, size) in data["fingerprints"].items()},
        times={str(file): int(when) for file, when in data["times"].items()},
        natives=tuple(map(str, data["natives"])),
        tests=tuple(map(str, data["tests"])),
        notes=tuple(map(str, data["notes"])),
    )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
