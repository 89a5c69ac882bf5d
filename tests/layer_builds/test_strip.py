"""Cutting symbol tables out of libraries: what is loaded stays where it is, and what is not understood stays whole."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import example, given
from hypothesis import strategies as st

from layer_builds.build.elf import check_native
from layer_builds.build.strip import smaller, stripped
from tests.layer_builds.wheelhouse import HERE, elf

SITE_PACKAGES = Path(msgspec.__file__).parent.parent
LIBRARIES = sorted(path for path in SITE_PACKAGES.rglob("*.so*") if path.stat().st_size < 4_000_000)[:80]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the libraries of this environment are not ELF")


def loaded(data: bytes) -> list[tuple[int, int, bytes]]:
    """What of a file is mapped into memory: address, offset, bytes."""
    segments = ELFFile(io.BytesIO(data)).iter_segments("PT_LOAD")
    return [(one["p_vaddr"], one["p_offset"], one.data()) for one in segments]


def allocated(data: bytes) -> dict[str, tuple[int, bytes]]:
    """The sections that are mapped, by name, with their numbers."""
    sections = enumerate(ELFFile(io.BytesIO(data)).iter_sections())
    return {one.name: (number, one.data()) for number, one in sections if one["sh_flags"] & 2}


def test_real_libraries_keep_every_byte_that_is_loaded_and_lose_their_symbols() -> None:
    saved = 0
    for path in LIBRARIES:
        data = path.read_bytes()
        smaller = stripped(data)
        saved += len(data) - len(smaller)
        # The header says where the sections' table is, which has moved: its 64 bytes aside, nothing differs.
        assert [(at, where, one[64:]) if where == 0 else (at, where, one) for at, where, one in loaded(smaller)] == [
            (at, where, one[64:]) if where == 0 else (at, where, one) for at, where, one in loaded(data)
        ], path
        assert allocated(smaller) == allocated(data), path
        assert stripped(smaller) == smaller, f"{path}: twice is once"
    assert saved > 100_000


def test_a_stripped_library_still_loads(tmp_path: Path) -> None:
    source = next(Path(msgspec.__file__).parent.glob("_core*.so"))
    (tmp_path / "msgspec").mkdir()
    for path in Path(msgspec.__file__).parent.glob("*.*"):
        (tmp_path / "msgspec" / path.name).write_bytes(path.read_bytes())
    cut = smaller(source.read_bytes())
    assert cut is not None
    (tmp_path / "msgspec" / source.name).write_bytes(cut)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import msgspec; print(msgspec.json.decode(b'[1, 2]'))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 2]\n"
    assert check_native(tmp_path / "msgspec" / source.name, "msgspec", HERE).glibc is not None


def test_what_is_appended_to_a_library_keeps_it_whole() -> None:
    data = next(path for path in LIBRARIES if len(stripped(path.read_bytes())) < path.stat().st_size).read_bytes()
    assert stripped(data + b"a payload") == data + b"a payload"


@given(st.integers(0, 700), st.integers(0, 255), st.integers(0, 800))
@example(47, 128, 0)  # the sections' place has its highest bit set, which is no place that Python can look at
def test_damaged_libraries_are_left_to_the_check(place: int, value: int, length: int) -> None:
    data = bytearray(elf())
    data[place % len(data)] = value
    stripped(bytes(data))
    stripped(bytes(data[:length]))
    assert stripped(elf()) == elf()


@given(st.binary(max_size=200))
def test_anything_else_is_returned_as_it_is(data: bytes) -> None:
    assert stripped(data) == data
