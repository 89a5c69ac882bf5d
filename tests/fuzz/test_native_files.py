"""ELF files that are damaged or made to mislead: checked, or refused in words; never a traceback or an endless loop."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layer_builds.build.elf import NativeFile, check_native
from layer_builds.plan import LayerBuildError, Target
from tests.fuzz.bounds import cpu_seconds, fuzzed, memory_bytes, thorough

TARGET = Target("python3.13", "x86_64")
SECONDS = 5.0
MEMORY = 64_000_000
EXTREMES = [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
EM_X86_64, EM_AARCH64 = 62, 183


def shared_library(glibc: str = "GLIBC_2.17", machine: int = EM_X86_64) -> bytes:
    """The smallest library that has all that the builder looks at: two segments, needed libraries, a symbol version."""
    strings = b"\0libc.so.6\0" + glibc.encode() + b"\0"
    names = b"\0.dynstr\0.gnu.version_r\0.dynamic\0.shstrtab\0"
    header, program = 64, 56 * 2
    at_strings = header + program
    at_versions = (at_strings + len(strings) + 7) // 8 * 8
    # Elfxx_Verneed (libc.so.6, one auxiliary), Elfxx_Vernaux.
    versions = struct.pack("<2H3I", 1, 1, 1, 16, 0) + struct.pack("<I2H2I", 0, 0, 2, 11, 0)
    at_dynamic = (at_versions + len(versions) + 7) // 8 * 8
    dynamic = b"".join(
        struct.pack("<2Q", *entry)
        for entry in [(1, 1), (5, at_strings), (10, len(strings)), (0x6FFFFFFE, at_versions), (0x6FFFFFFF, 1), (0, 0)]
    )
    at_names = at_dynamic + len(dynamic)
    at_sections = (at_names + len(names) + 7) // 8 * 8
    size = at_sections + 64 * 5

    def section(name: bytes, kind: int, place: tuple[int, int], *, link: int = 0, info: int = 0) -> bytes:
        offset, length = place
        entry = 16 if name == b".dynamic" else 0
        return struct.pack("<2I4Q2I2Q", names.index(name), kind, 2, offset, offset, length, link, info, 8, entry)

    file = bytearray(size)
    file[0:16] = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    file[16:64] = struct.pack("<2HI3QI6H", 3, machine, 1, 0, header, at_sections, 0, 64, 56, 2, 64, 5, 4)
    file[64:120] = struct.pack("<2I6Q", 1, 5, 0, 0, 0, size, size, 4096)
    file[120:176] = struct.pack("<2I6Q", 2, 6, at_dynamic, at_dynamic, at_dynamic, len(dynamic), len(dynamic), 8)
    file[at_strings : at_strings + len(strings)] = strings
    file[at_versions : at_versions + len(versions)] = versions
    file[at_dynamic : at_dynamic + len(dynamic)] = dynamic
    file[at_names : at_names + len(names)] = names
    sections = [
        b"\0" * 64,
        section(b".dynstr", 3, (at_strings, len(strings))),
        section(b".gnu.version_r", 0x6FFFFFFE, (at_versions, len(versions)), link=1, info=1),
        section(b".dynamic", 6, (at_dynamic, len(dynamic)), link=1),
        section(b".shstrtab", 3, (at_names, len(names))),
    ]
    file[at_sections:] = b"".join(sections)
    return bytes(file)


LIBRARY = shared_library()


def check(data: bytes) -> NativeFile | None:
    """What the check says; None when it refuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lib.so"
        path.write_bytes(data)
        try:
            with cpu_seconds(SECONDS):
                return check_native(path, "pkg 1.0", TARGET)
        except LayerBuildError as error:
            refusal = str(error)
    assert "package pkg 1.0: lib.so" in refusal
    return None


def test_the_whole_library_passes() -> None:
    assert check(LIBRARY) == NativeFile((2, 17), ("libc.so.6",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (shared_library("GLIBC_2.38"), "needs glibc 2.38"),
        (shared_library(machine=EM_AARCH64), "is for arm64"),
    ],
)
def test_what_lambda_could_not_load_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "lib.so").write_bytes(data)
    with pytest.raises(LayerBuildError, match=message):
        check_native(tmp_path / "lib.so", "pkg 1.0", TARGET)


def test_no_part_of_a_library_passes_for_the_whole() -> None:
    lengths = range(0, len(LIBRARY), 1 if thorough else 7)
    assert [length for length in lengths if check(LIBRARY[:length]) is not None] == []
    assert check(LIBRARY[:-1]) is None


@fuzzed
@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"\x7fELF\x02\x01\x01" + tail))
def test_garbage_is_refused(data: bytes) -> None:
    assert check(data) is None


@fuzzed
@given(
    changes=st.lists(
        st.tuples(st.integers(0, len(LIBRARY) // 2 - 4), st.sampled_from([2, 4, 8]), st.sampled_from(EXTREMES)),
        min_size=1,
        max_size=4,
    )
)
def test_extreme_numbers_anywhere_are_checked_or_refused(changes: list[tuple[int, int, int]]) -> None:
    damaged = bytearray(LIBRARY)
    for place, width, value in changes:
        damaged[2 * place : 2 * place + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    check(bytes(damaged[: len(LIBRARY)]))


@fuzzed
@given(changes=st.lists(st.tuples(st.integers(0, len(LIBRARY) - 1), st.integers(0, 255)), min_size=1, max_size=30))
def test_damage_anywhere_is_checked_or_refused(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(LIBRARY)
    for place, value in changes:
        damaged[place] = value
    check(bytes(damaged))


def changed(*changes: tuple[int, str, int]) -> bytes:
    damaged = bytearray(LIBRARY)
    for place, kind, value in changes:
        struct.pack_into(f"<{kind}", damaged, place, value)
    return bytes(damaged)


SECTIONS = len(LIBRARY) - 5 * 64
E_SHNUM, E_SHENTSIZE, E_PHNUM = 60, 58, 56


@pytest.mark.parametrize(
    "data",
    [
        # Each of these once gave an endless loop or a traceback.
        pytest.param(changed((SECTIONS + 2 * 64 + 44, "I", 0xFFFFFFFF)), id="four billion version entries"),
        pytest.param(changed((E_SHNUM, "H", 0), (SECTIONS + 32, "Q", 2**62)), id="sections counted in section 0"),
        pytest.param(
            changed((E_SHNUM, "H", 0), (SECTIONS + 32, "Q", 2**62), (E_SHENTSIZE, "H", 0)), id="sections of no bytes"
        ),
        pytest.param(changed((E_PHNUM, "H", 0xFFFF), (SECTIONS + 44, "I", 2**31)), id="segments counted in section 0"),
        pytest.param(changed((SECTIONS + 3 * 64 + 24, "Q", 2**63 - 1)), id="a section beyond any file"),
        pytest.param(changed((40, "Q", 2**63 - 1)), id="a table beyond any file"),
        pytest.param(changed((SECTIONS + 64 + 4, "I", 1)), id="names that are no table of names"),
    ],
)
def test_what_once_hung_or_broke_the_check_is_answered(data: bytes) -> None:
    with memory_bytes(MEMORY):
        check(data)


def test_each_number_alone_at_each_extreme_is_checked_or_refused() -> None:
    for place in range(16, len(LIBRARY), 4):
        for value in EXTREMES if thorough else (0xFFFFFFFF,):
            check(changed((place, "I", value % 2**32)))
