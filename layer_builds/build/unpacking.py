"""Reading a layer's zip, which anybody may have written: nothing in it is trusted."""

from __future__ import annotations

import hashlib
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from layer_builds.build.archive import MODE_FILE, MODE_PROGRAM, Entry
from layer_builds.host.disk import disk_errors
from layer_builds.plan import MAX_UNZIPPED_BYTES, LayerBuildError, is_plain_path

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

_READ_CHUNK = 1 << 20


def read_entries(archive: Path, into: Path | None = None, limit: int = MAX_UNZIPPED_BYTES) -> list[Entry]:
    """Read an archive that anybody may have written, and unpack it when asked to.

    Args:
        archive: The zip.
        into: A folder to unpack to; None only reads.
        limit: Bytes that all files together may have. Counted while reading, since a header can lie.

    Returns:
        What is in it, in its own order.

    Raises:
        LayerBuildError: it is damaged, too large, or holds a path, link or method that a layer has no use for.
    """
    entries: list[Entry] = []
    total = 0
    # What goes wrong with the archive is told apart by `_readable`: the rest is the disk that is written to.
    with disk_errors(f"unpacking {archive.name}", into or archive.parent), _opened(archive) as file:
        infos = file.infolist()
        _check_names(archive, infos)
        if into is not None:
            into.mkdir(parents=True, exist_ok=True)
        for info in infos:
            digest, size = hashlib.sha256(), 0
            target = None if into is None else into / info.filename
            with _sink(target) as out:
                for chunk in _chunks(archive, file, info):
                    size += len(chunk)
                    total += len(chunk)
                    if total > limit:
                        raise LayerBuildError(
                            f"{archive.name} unpacks to more than {limit:,} bytes, which Lambda does not take "
                            "either; reading stopped there"
                        )
                    digest.update(chunk)
                    out.write(chunk)
            mode = (info.external_attr >> 16) & 0o7777
            if target is not None:
                target.chmod(mode & 0o777)  # never set-user-id; `check_hygiene` refuses it by name
            entries.append(Entry(info.filename, mode, digest.hexdigest(), size))
    return entries


def listed_files(archive: Path) -> list[str]:
    """Paths of an archive's files, in its own order, by its directory alone.

    Raises:
        LayerBuildError: as for `read_entries`, for what the directory says.
    """
    with _opened(archive) as file:
        infos = file.infolist()
    _check_names(archive, infos)
    return [info.filename for info in infos]


@contextmanager
def _readable(archive: Path) -> Generator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, struct.error, ValueError) as error:
        raise LayerBuildError(f"{archive.name} is not a readable zip ({error}): delete it and build again") from None


def _opened(archive: Path) -> zipfile.ZipFile:
    with _readable(archive):
        return zipfile.ZipFile(archive)


def _chunks(archive: Path, file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Generator[bytes]:
    with _readable(archive), file.open(info) as source:
        while chunk := source.read(_READ_CHUNK):
            yield chunk


def check_hygiene(archive: Path, entries: Sequence[Entry], *, programs: bool = False) -> None:
    """Check that an archive is as `write_archive` makes them: sorted, fixed time, our modes, nothing of the host.

    Args:
        archive: The zip.
        entries: What is in it.
        programs: Whether the layer keeps programs (`keep` in layer.toml).

    Raises:
        LayerBuildError: naming the first entry that is not.
    """
    paths = [entry.path for entry in entries]
    if paths != sorted(paths):
        raise LayerBuildError(f"{archive.name}: its entries are not sorted: it was not written by this builder")
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            if info.date_time != (1980, 1, 1, 0, 0, 0):
                raise LayerBuildError(
                    f"{archive.name}: {info.filename} carries a time, and so differs with every build"
                )
    for entry in entries:
        name = entry.path.rpartition("/")[2]
        if entry.mode not in {MODE_FILE, MODE_PROGRAM}:
            raise LayerBuildError(
                f"{archive.name}: {entry.path} has mode {entry.mode:o}; 644 and 755 are what a layer has"
            )
        if name in {".lock", "direct_url.json", "uv_cache.json"} or (
            entry.path.startswith("python/bin/") and not programs
        ):
            raise LayerBuildError(f"{archive.name}: {entry.path} holds paths of the machine that built it")


def _check_names(archive: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for info in infos:
        name = info.orig_filename
        if not is_plain_path(name):
            raise LayerBuildError(
                f"{archive.name} holds {name!r}, which would be unpacked outside its folder or nowhere"
            )
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in {0, stat.S_IFREG}:
            raise LayerBuildError(f"{archive.name} holds {name!r}, which is a link or a special file")
        if name in seen:
            raise LayerBuildError(
                f"{archive.name} holds {name!r} twice: which of the two counts depends on who unpacks it"
            )
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            # zipfile unpacks what it read of the others in one go, however much comes out of it.
            raise LayerBuildError(
                f"{archive.name} holds {name!r} packed with method {info.compress_type}: layers use 0 and 8"
            )
        if info.flag_bits & 0x1:
            raise LayerBuildError(f"{archive.name} holds {name!r} encrypted")
        seen.add(name)


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)

    def __enter__(self) -> _Nowhere:
        return self

    def __exit__(self, *exception: object) -> None:
        return None


def _sink(target: Path | None) -> BinaryIO | _Nowhere:
    if target is None:
        return _Nowhere()
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.open("xb")
