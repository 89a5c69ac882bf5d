"""Native code in a layer: is it for the right CPU, and do the runtime's C and C++ libraries have what it asks for?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from elftools.common.exceptions import ELFError, ELFParseError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

from layer_builds.errors import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from layer_builds.targets import Target

MACHINES = {"EM_AARCH64": "arm64", "EM_X86_64": "x86_64"}
_GLIBC = re.compile(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?")
_GLIBC_MARKS = {"GLIBC_ABI_DT_RELR": (2, 36)}
"""Versions that stand for what glibc's loader can do → the glibc that brought it; this one: packed relocations
(https://sourceware.org/glibc/wiki/Release/2.36)."""
_GLIBC_LIBRARIES = (
    r"(ld-linux.*|linux-vdso|lib(c|m|dl|rt|pthread|util|resolv|anl|mvec|crypt|nsl|nss_\w+|BrokenLocale|thread_db))"
)
_SECTION_BYTES, _SEGMENT_BYTES, _VERSION_BYTES = 64, 56, 16
"""Of one entry in a 64-bit file's tables: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html."""
PROVIDED = re.compile(rf"({_GLIBC_LIBRARIES}|libgcc_s|libstdc\+\+|libz|libpython3(\.\d+)?)\.so(\.\d+)*")
"""Libraries that a Lambda runtime certainly has."""


@dataclass(frozen=True, slots=True)
class NativeFile:
    """What one ELF file asks for."""

    glibc: tuple[int, int] | None
    """The newest version of a symbol that it takes from glibc; None when it takes none."""
    needed: tuple[str, ...]
    """Libraries it is linked with."""


def check_native(path: Path, package: str, target: Target, beside: Collection[str] = ()) -> NativeFile:
    """Check one ELF file against a target.

    Args:
        path: The file.
        package: What it came with, for the message.
        target: What it will run on.
        beside: Names of the files that come with it: a library among them counts instead of the runtime's.

    Raises:
        LayerBuildError: it is damaged, for another CPU, or needs a newer glibc or libstdc++; naming the package and the
            way out.
    """
    where = f"package {package}: {path.name}"
    try:
        with path.open("rb") as stream:
            size = path.stat().st_size
            file = ELFFile(stream)
            _check_whole(file, size)
            machine = str(file["e_machine"])
            wanted, needed = _read(file)
    except (
        AssertionError,  # pyelftools' own, about a section's kind or entry size
        ELFError,
        ELFParseError,
        ConstructError,
        _TruncatedError,
        ValueError,
        KeyError,
        IndexError,
        OverflowError,
        AttributeError,
        TypeError,
        UnicodeDecodeError,
        MemoryError,
        OSError,  # a place in the file beyond what a file can have
    ) as error:
        raise LayerBuildError(
            f"{where} is a damaged or truncated library ({type(error).__name__}: {error}): its wheel is broken, or the "
            "disk was full. Clear uv's cache (`uv cache clean " + package.split(maxsplit=1)[0] + "`) and build again"
        ) from None
    found = MACHINES.get(machine, machine)
    if found != target.architecture:
        raise LayerBuildError(
            f"{where} is for {found}, and the layer is for {target}: its wheel carries a wrong tag, or was installed "
            "by other means. Pin another version of the package"
        )
    newest = max(filter(None, (_glibc(name) for _, name in wanted)), default=None)
    lacking = f"glibc {_dotted(newest)}" if newest is not None and newest > target.facts.glibc else ""
    for library, name in wanted:
        if not lacking and library not in beside and _lacks(target, name):
            lacking = f"{name} of {library}"
    if lacking:
        limits = {"glibc": target.facts.glibc, **target.facts.libstdcxx}
        has = ", ".join(f"{name} {_dotted(limit)}" for name, limit in limits.items())
        raise LayerBuildError(
            f"{where} needs {lacking}, and {target.runtime} has {has}: it would fail to load in Lambda. Pin an "
            "older version of the package, use a newer runtime, or build it in Docker (`source` in layer.toml)"
        )
    return NativeFile(newest, needed)


def _glibc(name: str) -> tuple[int, int] | None:
    """The glibc that brought a symbol version; None when it is not one of glibc's, or a private one."""
    found = _GLIBC.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else _GLIBC_MARKS.get(name)


def _lacks(target: Target, name: str) -> bool:
    """Whether a symbol version is certainly not in the runtime's libraries, whatever their glibc."""
    prefix, _, version = name.partition("_")
    if prefix == "GLIBC":
        return _glibc(name) is None
    limit = target.facts.libstdcxx.get(prefix)
    numbered = re.fullmatch(r"\d+(\.\d+)*", version)
    return limit is not None and numbered is not None and tuple(map(int, version.split("."))) > limit


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


class _TruncatedError(Exception):
    pass


def _check_whole(file: ELFFile, size: int) -> None:
    if file.elfclass != 64 or not file.little_endian:  # noqa: PLR2004
        raise _TruncatedError("not a 64-bit little-endian file")
    header: Any = file.header
    # The counts may be in section 0 instead of the header: both readings have to fit, since each is gone through.
    sections, segments = (file.num_sections() if header["e_shoff"] else 0), file.num_segments()
    tables = [
        (header["e_shoff"], max(sections, header["e_shnum"]), header["e_shentsize"], _SECTION_BYTES),
        (header["e_phoff"], max(segments, header["e_phnum"]), header["e_phentsize"], _SEGMENT_BYTES),
    ]
    for offset, count, width, least in tables:
        if count and width < least:
            raise _TruncatedError(f"a table with rows of {width} bytes")
        if offset + count * width > size:
            raise _TruncatedError(f"a table to {offset + count * width:,} in {size:,} bytes")
    for segment in file.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_offset"] + segment["p_filesz"] > size:
            raise _TruncatedError(f"a segment to {segment['p_offset'] + segment['p_filesz']:,} in {size:,} bytes")


def _read(file: ELFFile) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """Symbol versions that a file needs, each with the library it is to be in; and the libraries it is linked with."""
    versions: list[tuple[str, str]] = []
    needed: list[str] = []
    dynamic = False
    for section in file.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            versions += _versions(section)
        elif isinstance(section, DynamicSection):
            dynamic = True
            # The reader sets `needed` on such a tag by the table's names, which no type knows.
            needed += [str(vars(tag)["needed"]) for tag in section.iter_tags("DT_NEEDED")]
    if not dynamic and any(segment["p_type"] == "PT_DYNAMIC" for segment in file.iter_segments()):
        raise _TruncatedError(
            "it is linked dynamically and its section headers are gone, so nothing in it can be checked"
        )
    return versions, tuple(needed)


def _versions(section: GNUVerNeedSection) -> Iterator[tuple[str, str]]:
    """Library and name of each symbol version. The reader follows offsets, which can lead in a circle."""
    left = section["sh_size"] // _VERSION_BYTES
    for library, auxiliaries in section.iter_versions():
        left -= 1
        for auxiliary in auxiliaries:
            left -= 1
            if left < 0:
                raise _TruncatedError("more symbol versions than their section has room for")
            yield str(library.name), str(auxiliary.name)
        if left < 0:
            raise _TruncatedError("more symbol versions than their section has room for")


def is_native(path: Path) -> bool:
    """Whether a file starts as ELF files do."""
    with path.open("rb") as file:
        return _magic(file) == b"\x7fELF"


def _magic(file: BinaryIO) -> bytes:
    return file.read(4)
