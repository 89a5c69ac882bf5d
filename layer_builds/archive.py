"""The zip that becomes a layer: the same bytes on every machine, and a reader that trusts nothing.

Owns the container format. `zlib` is not used to compress: Linux distributions, macOS and newer CPythons ship several
(zlib, zlib-ng, Apple's), whose output differs for the same level. libdeflate, from a wheel that uv.lock pins, gives the
same bytes everywhere; a known answer is checked before each use, so that another version cannot pass unnoticed.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import deflate

from layer_builds.budget import MAX_UNZIPPED_BYTES
from layer_builds.errors import LayerBuildError, disk_errors
from layer_builds.spec import is_plain_path

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

LEVEL = 8
"""libdeflate's: 1 % smaller than zlib's 6, as fast; 6 would be 3 % larger in half the time."""
MAX_ENTRIES = 65_535
"""Of a zip without the 64-bit extensions, which a layer of at most 250 MB has no need of."""
THREADS = 4

_MODE_FILE = 0o644
_MODE_PROGRAM = 0o755
_DOS_TIME = 0
_DOS_DATE = (1 << 5) | 1  # 1980-01-01, the first that the format knows
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_ANSWER = "2953c5c2752e5e7f51271adba74665e9a5edd2c74eb912fe3efc7bd02ea585c4"
_READ_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a layer."""

    path: str
    """Below /opt."""
    mode: int
    sha256: str
    size: int


def file_mode(head: bytes) -> int:
    """A file's mode, from its first bytes: programs and libraries may be executed, nothing else.

    From the content, and not from the disk: modes there depend on the umask, the wheel and the operating system.
    """
    return _MODE_PROGRAM if head.startswith((b"\x7fELF", b"#!")) else _MODE_FILE


def content_sha256(entries: Iterable[Entry]) -> str:
    """Identity of what is in an archive: paths, modes and contents, whatever compressed them."""
    lines = (f"{entry.mode:o} {entry.sha256} {entry.path}\n" for entry in sorted(entries, key=lambda one: one.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def tree_files(tree: Path) -> list[str]:
    """Paths of all files below a folder, sorted as the archive sorts them.

    Raises:
        LayerBuildError: something in it is not an ordinary file, or has a name that cannot be unpacked safely.
    """
    found: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(tree / folder) as entries:
            for entry in entries:
                relative = f"{folder}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{relative}/")
                    continue
                if not entry.is_file(follow_symlinks=False):
                    raise LayerBuildError(f"{relative} is a link or a special file: a layer holds ordinary files only")
                if not is_plain_path(relative):
                    raise LayerBuildError(
                        f"{relative!r} has characters in its name that do not unpack the same everywhere"
                    )
                found.append(relative)
    return sorted(found)


def write_archive(tree: Path, archive: Path) -> list[Entry]:
    """Write a folder as a zip whose bytes depend on the files' paths and contents alone.

    Args:
        tree: What will be /opt.
        archive: The file to write.

    Returns:
        What is in it, sorted by path.

    Raises:
        LayerBuildError: an entry cannot be in a layer, or the compressor is another version than the pinned one.
    """
    check_compressor()
    files = tree_files(tree)
    if len(files) > MAX_ENTRIES:
        raise LayerBuildError(f"the layer has {len(files):,} files, and {MAX_ENTRIES:,} fit a zip: leave out packages")
    entries: list[Entry] = []
    directory: list[bytes] = []
    with archive.open("wb") as out, ThreadPoolExecutor(THREADS) as pool:
        # `map` keeps the order; libdeflate works outside the interpreter's lock.
        for path, packed in zip(files, pool.map(lambda name: _pack(tree / name), files), strict=True):
            directory.append(_write_entry(out, path, packed))
            entries.append(Entry(path, packed.mode, packed.sha256, packed.size))
        start = out.tell()
        body = b"".join(directory)
        out.write(body)
        out.write(_END.pack(b"PK\x05\x06", 0, 0, len(files), len(files), len(body), start, 0))
    return entries


def check_compressor() -> None:
    """Make sure that the compressor gives the bytes that digests stand for.

    Raises:
        LayerBuildError: it is another version, or another library under its name.
    """
    answer = hashlib.sha256(bytes(deflate.deflate_compress(_sample(), LEVEL))).hexdigest()
    if answer != _ANSWER:
        raise LayerBuildError(
            f"the installed `deflate` {deflate.__version__} compresses to other bytes than the pinned one, so archives "
            "would not match their digests: install what uv.lock names (`make env`)"
        )


@dataclass(frozen=True, slots=True)
class _Packed:
    mode: int
    sha256: str
    size: int
    crc: int
    method: int
    data: bytes


def _pack(path: Path) -> _Packed:
    data = path.read_bytes()
    packed = bytes(deflate.deflate_compress(data, LEVEL)) if data else b""
    method = 8
    if len(packed) >= len(data):
        packed, method = data, 0
    return _Packed(file_mode(data[:4]), hashlib.sha256(data).hexdigest(), len(data), zlib.crc32(data), method, packed)


def _write_entry(out: BinaryIO, path: str, packed: _Packed) -> bytes:
    name = path.encode()
    flags = 0 if path.isascii() else 0x800
    offset = out.tell()
    common = (flags, packed.method, _DOS_TIME, _DOS_DATE, packed.crc, len(packed.data), packed.size, len(name))
    out.write(_LOCAL.pack(b"PK\x03\x04", 20, *common, 0) + name + packed.data)
    attributes = (stat.S_IFREG | packed.mode) << 16
    return _CENTRAL.pack(b"PK\x01\x02", (3 << 8) | 20, 20, *common, 0, 0, 0, 0, attributes, offset) + name


def _sample() -> bytes:
    """64 KiB that are neither all alike nor all different: what libdeflate's choices depend on."""
    state, out = 1, bytearray()
    while len(out) < 1 << 16:
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        out += b"def %d(self):\n    return %x\n" % (state % 97, state >> (state % 23))
    return bytes(out[: 1 << 16])


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


def check_hygiene(archive: Path, entries: Sequence[Entry]) -> None:
    """Check that an archive is as `write_archive` makes them: sorted, fixed time, our modes, nothing of the host.

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
        if entry.mode not in {_MODE_FILE, _MODE_PROGRAM}:
            raise LayerBuildError(
                f"{archive.name}: {entry.path} has mode {entry.mode:o}; 644 and 755 are what a layer has"
            )
        if name in {".lock", "direct_url.json", "uv_cache.json"} or entry.path.startswith("python/bin/"):
            raise LayerBuildError(f"{archive.name}: {entry.path} holds paths of the machine that built it")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
