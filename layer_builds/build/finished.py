"""Finished archives on this machine: where they are, and whether they are still what was built.

Nothing else of the builder is imported here: a build that is there already is found at once.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from layer_builds.host.disk import file_sha256
from layer_builds.host.folders import build_dir
from layer_builds.plan import ManifestEntry, committed_entry, layer_digest, parse_entry

if TYPE_CHECKING:
    from pathlib import Path

    from layer_builds.plan import LayerSpec, Target

Builder = Literal["native", "docker"]
_UNCHANGED = "size_and_time"
"""Of the archive, in the entry beside it."""


def archive_path(digest: str) -> Path:
    """Where the archive of a digest is kept on this machine, if it was built here."""
    return build_dir() / "layers" / f"{digest}.zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A finished archive."""

    layer: str
    target: Target
    path: Path
    digest: str
    entry: ManifestEntry
    hit: bool
    """Whether it was there already."""
    seconds: float
    log: Path
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the zip."""
        return self.entry.artifact_sha256

    @property
    def zip_bytes(self) -> int:
        """Of the zip."""
        return self.entry.zip_bytes

    @property
    def unzipped_bytes(self) -> int:
        """Of what is in it."""
        return self.entry.unzipped_bytes


def finished_layer(layer: LayerSpec, target: Target, compiler: str | None = None) -> BuiltLayer | None:
    """A layer that has been built on this machine, of today's digest; None when it has not.

    Raises:
        LayerBuildError: its digest is not known.
    """
    started = time.monotonic()
    digest = layer_digest(layer, target, compiler)
    archive = archive_path(digest)
    entry = cached_entry(archive, digest, committed_entry(layer, target, digest))
    if entry is None:
        return None
    return BuiltLayer(
        layer=layer.name,
        target=target,
        path=archive,
        digest=digest,
        entry=entry,
        hit=True,
        seconds=time.monotonic() - started,
        log=log_path(digest),
    )


def log_path(digest: str) -> Path:
    """The log of a build."""
    return build_dir() / f"{digest}.log"


def store_built(finished: Path, archive: Path, entry: ManifestEntry) -> None:
    """Put a finished archive in its place: its entry first, so that an archive that is there always has one."""
    staged = finished.with_suffix(".json")
    document = {**entry.document(), _UNCHANGED: _state(finished)}
    staged.write_text(json.dumps(document), encoding="utf-8")
    staged.replace(archive.with_suffix(".json"))
    finished.replace(archive)


def cached_entry(archive: Path, digest: str, committed: ManifestEntry | None) -> ManifestEntry | None:
    """The entry of an archive that is there and still what was built; anything else is built again.

    So is one of other bytes than the manifest has for its digest: the entry beside it was written by whoever built
    it, which may have been another version of the builder. The new build tells which of the two is right.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        document = json.loads(archive.with_suffix(".json").read_text(encoding="utf-8"))
        entry = parse_entry(document)
        wanted = entry if committed is None else committed
        # Of a file with the size and time that it was written with, the hash is known.
        whole = document.get(_UNCHANGED) == _state(archive) or file_sha256(archive) == entry.artifact_sha256
        if entry.digest == digest and whole and entry.artifact_sha256 == wanted.artifact_sha256:
            return entry
    return None


def _state(archive: Path) -> list[int]:
    state = archive.stat()
    return [state.st_size, state.st_mtime_ns]
