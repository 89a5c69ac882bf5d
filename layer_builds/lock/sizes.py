"""How large a layer gets at least, from its wheels' own tables of contents: known before anything is downloaded.

A wheel is a zip, whose list of files stands at its end: a few kilobytes of a file that may have hundreds of megabytes.
What certainly does not fit is refused. What probably does not is in doubt, since pruning and stripping take some of it
out again: the command installs that first. An index that does not answer (no ranges, credentials that uv alone has)
leaves everything to the installation.
"""

from __future__ import annotations

import http.client
import struct
import tempfile
import urllib.request
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from layer_builds.build.prune import may_go
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.plan import LayerSpec, Target

_TIMEOUT_SECONDS = 15
_TAIL = 1 << 16
"""Bytes of a wheel's end that are asked for first: the whole list of most wheels."""
_MOST_COMPRESSED = 6
"""How many times larger than its zip a package is at most; the packages of a layer that could be too large are looked
at."""
_LEAST_LEFT, _LEFT = 0.5, 0.77
"""Of native code, when symbol tables are cut: certainly, and as far as has been seen."""
_LARGEST_TABLE = 1 << 24
"""Bytes of a table of contents that are read: 100,000 files have less."""
_END = struct.Struct("<4s4H2LH")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the index, as a resolution names it."""

    package: str
    """With its version."""
    url: str
    size: int
    """Bytes; 0 when the index does not say."""


def check_sizes(layer: LayerSpec, target: Target, artifacts: Sequence[Artifact]) -> bool:
    """Refuse a layer that cannot fit Lambda; say whether it is in doubt.

    Args:
        layer: Whose packages they are.
        target: What it is locked for.
        artifacts: The files that it installs.

    Returns:
        Whether it probably does not fit.

    Raises:
        LayerBuildError: it certainly does not; with the largest packages.
    """
    if sum(artifact.size for artifact in artifacts) * _MOST_COMPRESSED <= layer.max_bytes:
        return False
    least = {artifact.package: _left(layer, target, artifact, _LEAST_LEFT) for artifact in artifacts}
    total = sum(least.values())
    if total <= layer.max_bytes:
        return sum(_left(layer, target, artifact, _LEFT) for artifact in artifacts) > layer.max_bytes
    rows = sorted(least.items(), key=lambda item: -item[1])[:10]
    table = "\n".join(f"  {size / 1e6:8.1f} MB  {package}" for package, size in rows)
    whole = "in a container image" if layer.for_images else "for a function with all its layers"
    raise LayerBuildError(
        f"layer {layer.name} would be at least {total / 1e6:,.0f} MB unzipped for {target}, after pruning, and Lambda "
        f"takes {layer.max_bytes / 1e6:,.0f} MB {whole}. Nothing was downloaded. The "
        f"largest packages, at least:\n{table}\n"
        "Leave out what the function does not import, or package it as a container image (`for_images` in layer.toml)"
    )


def _left(layer: LayerSpec, target: Target, artifact: Artifact, share: float) -> int:
    """Bytes that a package has in the layer, when so much is left of native code; 0 when the index does not say."""
    files = _contents(artifact.url, artifact.size)
    if files is None:
        return 0
    gone = may_go(files, layer.drops(target))
    return sum(
        int(size * share) if layer.strip and _is_native(file) else size
        for file, size in files.items()
        if file not in gone
    )


def _is_native(file: str) -> bool:
    return ".so" in PurePosixPath(file).suffixes


@cache
def _contents(url: str, size: int) -> Mapping[str, int] | None:
    """The files in a wheel of an index, and their bytes; None when it does not say."""
    if size == 0 or not url.startswith(("https://", "http://")):
        return None
    with (
        suppress(OSError, ValueError, zipfile.BadZipFile, struct.error, http.client.HTTPException),
        tempfile.TemporaryFile() as file,
    ):
        start = max(0, size - _TAIL)
        tail = _range(url, start, size)
        end = tail.rindex(b"PK\x05\x06")
        *_, directory, _ = _END.unpack_from(tail, end)
        # A file that is empty but for its end: nothing else of it is read.
        file.seek(start)
        file.write(tail)
        if directory < start - _LARGEST_TABLE:
            return None
        if directory < start:
            file.seek(directory)
            file.write(_range(url, directory, start))
        with zipfile.ZipFile(file) as wheel:
            return {info.filename: info.file_size for info in wheel.infolist()}
    return None


def _range(url: str, start: int, end: int) -> bytes:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-{end - 1}"})  # noqa: S310 - http(s)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        if answer.status != 206:  # noqa: PLR2004 - partial content: the whole file would follow
            raise ValueError(answer.status)
        return bytes(answer.read(end - start))
