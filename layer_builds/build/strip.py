"""Taking symbol tables out of native libraries, without moving a byte that is loaded.

GNU strip makes other bytes in each version, is not on every machine, and moves segments: it breaks the libraries that
numpy bundles. This cuts instead: symbol tables and debugging sections are nearly always the end of the file, after
everything that is mapped into memory. What is mapped keeps its offset; only the list of sections is written anew, and
no section gets another number, since dynamic symbols refer to them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ELF64_LITTLE = b"\x7fELF\x02\x01"
_SHARED = 3
_SYMTAB, _STRTAB, _NOBITS = 2, 3, 8
_ALLOCATED = 0x2
_DEBUG = (b".debug", b".zdebug", b".comment", b".gnu_debug", b".gdb_index")
_LEAST_SAVED = 1024


@dataclass(frozen=True, slots=True)
class _Section:
    name: bytes
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    row: tuple[int, ...]

    @property
    def end(self) -> int:
        return self.offset if self.kind == _NOBITS else self.offset + self.size


def smaller(data: bytes) -> bytes | None:
    """The bytes of a library without symbol tables; None when that saves too little, or it is of another shape."""
    cut = stripped(data)
    return cut if len(data) - len(cut) >= _LEAST_SAVED else None


def stripped(data: bytes) -> bytes:
    """The bytes of a library without symbol tables; the same bytes when it is none, is damaged or has a tail."""
    try:
        return _stripped(data)
    except (struct.error, IndexError, ValueError, OverflowError):
        return data  # the check of native files says what is wrong with it


def _stripped(data: bytes) -> bytes:
    if not data.startswith(_ELF64_LITTLE):
        return data
    header = list(_HEADER.unpack_from(data))
    kind, segments_at, sections_at = header[1], header[5], header[6]
    segment_size, segment_count, section_size, section_count, names_at = header[9:14]
    if kind != _SHARED or segment_size != _SEGMENT.size or section_size != _SECTION.size or section_count == 0:
        return data
    sections = _sections(data, sections_at, section_count, names_at)
    loaded = segments_at + segment_count * segment_size
    for number in range(segment_count):
        row = _SEGMENT.unpack_from(data, segments_at + number * segment_size)
        loaded = max(loaded, row[2] + row[5])
    loaded = max([loaded, *(one.end for one in sections if one.flags & _ALLOCATED)])
    known = max([sections_at + section_count * section_size, *(one.end for one in sections)])
    gone = _useless(sections)
    if known != len(data) or names_at in gone or not gone:
        return data  # something is appended to it that no table knows, or there is nothing to cut
    out = bytearray(data[:loaded])
    rows: list[tuple[int, ...]] = []
    for number, section in enumerate(sections):
        if number in gone:
            rows.append((0,) * 10)
            continue
        row = list(section.row)
        if section.kind not in {0, _NOBITS} and not section.flags & _ALLOCATED and section.end > loaded:
            _align(out, max(1, section.row[8]))
            row[4] = len(out)
            out += data[section.offset : section.end]
        rows.append(tuple(row))
    while rows and not any(rows[-1]):
        rows.pop()
    _align(out, 8)
    header[6], header[12] = len(out), len(rows)
    out += b"".join(_SECTION.pack(*row) for row in rows)
    _HEADER.pack_into(out, 0, *header)
    return bytes(out)


def _sections(data: bytes, at: int, count: int, names_at: int) -> list[_Section]:
    rows = [_SECTION.unpack_from(data, at + number * _SECTION.size) for number in range(count)]
    names = rows[names_at]
    table = data[names[4] : names[4] + names[5]]
    return [
        _Section(table[row[0] : table.index(b"\0", row[0])], row[1], row[2], row[4], row[5], row[6], row)
        for row in rows
    ]


def _useless(sections: list[_Section]) -> set[int]:
    """Numbers of sections that only a linker or a debugger reads."""
    tables = {number for number, one in enumerate(sections) if one.kind == _SYMTAB and not one.flags & _ALLOCATED}
    strings = {sections[number].link for number in tables}
    strings = {one for one in strings if sections[one].kind == _STRTAB and not sections[one].flags & _ALLOCATED}
    debug = {
        number for number, one in enumerate(sections) if one.name.startswith(_DEBUG) and not one.flags & _ALLOCATED
    }
    gone = tables | strings | debug
    # Strings that something else uses as well stay.
    used = {one.link for number, one in enumerate(sections) if number not in gone}
    return gone - (strings & used)


def _align(out: bytearray, size: int) -> None:
    out.extend(bytes(-len(out) % size))
