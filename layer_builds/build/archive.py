"""The zip that becomes a layer: the same bytes on every machine.

Owns the container format as it is written; reading it is `unpacking.py`'s. `zlib` is not used to compress: Linux
distributions, macOS and newer CPythons ship several (zlib, zlib-ng, Apple's), whose output differs for the same level.
libdeflate, from a wheel that uv.lock pins, gives the same bytes everywhere; a known answer is checked before each use,
so that another version cannot pass unnoticed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import deflate

from layer_builds.plan import LayerBuildError, is_plain_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

LEVEL = 8
"""libdeflate's: 1 % smaller than zlib's 6, as fast; 6 would be 3 % larger in half the time."""
MAX_ENTRIES = 65_535
"""Of a zip without the 64-bit extensions, which a layer of at most 250 MB has no need of."""
THREADS = 4

MODE_FILE = 0o644
MODE_PROGRAM = 0o755
_DOS_TIME = 0
_DOS_DATE = (1 << 5) | 1  # 1980-01-01, the first that the format knows
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_PACKED = struct.Struct("<H32sLLH")
_ANSWER = "2953c5c2752e5e7f51271adba74665e9a5edd2c74eb912fe3efc7bd02ea585c4"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a layer."""

    path: str
    """Below /opt."""
    mode: int
    sha256: str
    size: int


def recorded(sha256: bytes) -> str:
    """A hash as RECORD writes it."""
    return f"sha256={base64.urlsafe_b64encode(sha256).rstrip(b'=').decode()}"


def file_mode(head: bytes) -> int:
    """A file's mode, from its first bytes: programs and libraries may be executed, nothing else.

    From the content, and not from the disk: modes there depend on the umask, the wheel and the operating system.
    """
    return MODE_PROGRAM if head.startswith((b"\x7fELF", b"#!")) else MODE_FILE


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


def write_archive(tree: Path, archive: Path, packed: Mapping[str, Packed] | None = None) -> list[Entry]:
    """Write a folder as a zip whose bytes depend on the files' paths and contents alone.

    Args:
        tree: What will be /opt.
        archive: The file to write.
        packed: Its files, packed before; None packs them now.

    Returns:
        What is in it, sorted by path.

    Raises:
        LayerBuildError: an entry cannot be in a layer, or the compressor is another version than the pinned one.
    """
    files = tree_files(tree) if packed is None else sorted(packed)
    if len(files) > MAX_ENTRIES:
        raise LayerBuildError(f"the layer has {len(files):,} files, and {MAX_ENTRIES:,} fit a zip: leave out packages")
    contents = pack_files(tree, files) if packed is None else packed
    entries: list[Entry] = []
    directory: list[bytes] = []
    with archive.open("wb") as out:
        for path in files:
            content = contents[path]
            directory.append(_write_entry(out, path, content))
            entries.append(Entry(path, content.mode, content.sha256, content.size))
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
    answer = hashlib.sha256(_compressed(_sample())).hexdigest()
    if answer != _ANSWER:
        raise LayerBuildError(
            f"the installed `deflate` {deflate.__version__} compresses to other bytes than the pinned one, so archives "
            "would not match their digests: install what uv.lock names (`make env`)"
        )


@dataclass(frozen=True, slots=True)
class Packed:
    """A file's content as it is in an archive."""

    mode: int
    sha256: str
    size: int
    crc: int
    method: int
    data: bytes

    @property
    def fingerprint(self) -> tuple[str, str]:
        """What RECORD says of the content."""
        return recorded(bytes.fromhex(self.sha256)), str(self.size)

    def serialized(self) -> bytes:
        """As bytes, for `parse_packed`."""
        return _PACKED.pack(self.mode, bytes.fromhex(self.sha256), self.size, self.crc, self.method) + self.data


def parse_packed(data: bytes) -> Packed:
    """What `Packed.serialized` gave."""
    mode, sha256, size, crc, method = _PACKED.unpack_from(data)
    return Packed(mode, sha256.hex(), size, crc, method, data[_PACKED.size :])


def pack_files(tree: Path, files: Sequence[str]) -> dict[str, Packed]:
    """Pack files of a folder.

    Raises:
        LayerBuildError: the compressor is another version than the pinned one.
    """
    check_compressor()
    with ThreadPoolExecutor(THREADS) as pool:  # libdeflate works outside the interpreter's lock
        return dict(zip(files, pool.map(_pack, [tree / file for file in files]), strict=True))


def _compressed(data: bytes) -> bytes:
    return bytes(deflate.deflate_compress(data, LEVEL))  # pyright: ignore[reportUnknownMemberType] (its types are partial)


def _pack(path: Path) -> Packed:
    data = path.read_bytes()
    packed = _compressed(data) if data else b""
    method = 8
    if len(packed) >= len(data):
        packed, method = data, 0
    return Packed(file_mode(data[:4]), hashlib.sha256(data).hexdigest(), len(data), zlib.crc32(data), method, packed)


def _write_entry(out: BinaryIO, path: str, packed: Packed) -> bytes:
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
