"""Reading an ELF file with pyelftools, held to what a file can say: sizes, counts and offsets in it may be anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elftools.common.exceptions import ELFError, ELFParseError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECTION_BYTES, _SEGMENT_BYTES, _VERSION_BYTES = 64, 56, 16
"""Of one entry in a 64-bit file's tables: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html."""


class TruncatedError(Exception):
    """It is not as long as its headers say, or says what cannot be checked."""


READING = (
    AssertionError,  # pyelftools' own, about a section's kind or entry size
    ELFError,
    ELFParseError,
    ConstructError,
    TruncatedError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    AttributeError,
    TypeError,
    UnicodeDecodeError,
    MemoryError,
    OSError,  # a place in the file beyond what a file can have
)
"""What reading a damaged file raises."""


def read(path: Path) -> tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The machine, the symbol versions that it needs, each with its library, and the libraries it is linked with."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        file = ELFFile(stream)
        _check_whole(file, size)
        machine = str(file["e_machine"])
        versions, needed = _read(file)
    return machine, tuple(versions), needed


def _check_whole(file: ELFFile, size: int) -> None:
    if file.elfclass != 64 or not file.little_endian:  # noqa: PLR2004
        raise TruncatedError("not a 64-bit little-endian file")
    header: Any = file.header
    # The counts may be in section 0 instead of the header: both readings have to fit, since each is gone through.
    sections, segments = (file.num_sections() if header["e_shoff"] else 0), file.num_segments()
    tables = [
        (header["e_shoff"], max(sections, header["e_shnum"]), header["e_shentsize"], _SECTION_BYTES),
        (header["e_phoff"], max(segments, header["e_phnum"]), header["e_phentsize"], _SEGMENT_BYTES),
    ]
    for offset, count, width, least in tables:
        if count and width < least:
            raise TruncatedError(f"a table with rows of {width} bytes")
        if offset + count * width > size:
            raise TruncatedError(f"a table to {offset + count * width:,} in {size:,} bytes")
    for segment in file.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_offset"] + segment["p_filesz"] > size:
            raise TruncatedError(f"a segment to {segment['p_offset'] + segment['p_filesz']:,} in {size:,} bytes")


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
        raise TruncatedError(
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
                raise TruncatedError("more symbol versions than their section has room for")
            yield str(library.name), str(auxiliary.name)
        if left < 0:
            raise TruncatedError("more symbol versions than their section has room for")
