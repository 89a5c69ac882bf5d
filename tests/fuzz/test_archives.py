"""Archives that somebody made to do harm: read, or refused in words; no traceback, no full disk, no foreign file."""

from __future__ import annotations

import io
import stat
import struct
import tempfile
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layer_builds.build.archive import Entry, write_archive
from layer_builds.build.unpacking import check_hygiene, read_entries
from layer_builds.plan import LayerBuildError, is_plain_path
from layer_builds.ship.packaged import read_packages
from tests.fuzz.bounds import cpu_seconds, fuzzed, memory_bytes

LIMIT = 4_000_000
MEMORY = 32_000_000
SECONDS = 5.0
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
NAMES = st.one_of(
    st.sampled_from(
        [
            "python/a.py",
            "python/a.py/b.py",
            "python/A.PY",
            "../outside",
            "python/../../outside",
            "/outside",
            "//outside",
            "\\outside",
            "..\\outside",
            "C:/outside",
            "C:outside",
            "a/",
            "a//b",
            "./a",
            "a/.",
            "",
            ".",
            "..",
            "~/.ssh/authorized_keys",
            "nul\0byte",
            "line\nfeed",
            "ünï",
            "python/x-1.0.dist-info/METADATA",
            "python/x-1.0.dist-info/sboms/x.json",
            "x" * 300,
        ]
    ),
    st.text(st.sampled_from("ab./\\:\0é"), max_size=12),
)
MODES = st.sampled_from(
    [
        0,
        stat.S_IFREG | 0o644,
        stat.S_IFREG | 0o4755,
        stat.S_IFLNK | 0o777,
        stat.S_IFDIR | 0o755,
        stat.S_IFIFO | 0o644,
        stat.S_IFCHR | 0o666,
        0o644,
    ]
)


@dataclass(frozen=True)
class Member:
    name: str
    mode: int
    method: int
    data: bytes


MEMBERS = st.lists(
    st.builds(Member, NAMES, MODES, st.sampled_from(METHODS), st.binary(max_size=200) | st.just(b"\0" * 100_000)),
    max_size=5,
)


def zipped(members: list[Member]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
            info.filename = info.orig_filename = member.name  # ZipInfo's constructor would fix it
            info.external_attr = member.mode << 16
            info.compress_type = member.method
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of doubled names, which are what is tried
                archive.writestr(info, member.data)
    return out.getvalue()


def read(data: bytes, limit: int = LIMIT) -> dict[str, bytes] | None:
    """What reading and unpacking gives; None when it is refused. Nothing may appear beside the folder."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        into = home / "into"
        into.mkdir(parents=True)
        archive = home / "layer.zip"
        archive.write_bytes(data)
        entries: list[Entry] = []
        refusal: str | None = None
        try:
            with cpu_seconds(SECONDS):
                entries = read_entries(archive, into, limit)
        except LayerBuildError as error:
            refusal = str(error)
        finally:
            assert {path.name for path in home.iterdir()} == {"into", "layer.zip"}
            assert [path.name for path in Path(folder).iterdir()] == ["home"]
            unpacked = [path for path in into.rglob("*") if not path.is_dir() or path.is_symlink()]
            assert all(path.is_file() and not path.is_symlink() for path in unpacked)
            assert sum(path.stat().st_size for path in unpacked) <= limit + (1 << 20)
        if refusal is not None:
            assert "layer.zip" in refusal
            return None
        found = {path.relative_to(into).as_posix(): path.read_bytes() for path in unpacked}
        assert sorted(entry.path for entry in entries) == sorted(found)
        assert all(is_plain_path(path) for path in found)
        assert {entry.path: entry.size for entry in entries} == {path: len(data) for path, data in found.items()}
        return found


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the builder itself writes."""
    folder = tmp_path_factory.mktemp("ordinary")
    tree = folder / "tree"
    for name, content in {
        "python/pkg/__init__.py": b"VALUE = 1\n" * 50,
        "python/pkg/lib.so": b"\x7fELF" + bytes(range(256)) * 4,
        "python/pkg-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: pkg\nVersion: 1.0\n",
        "words/list": b"one two three",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    write_archive(tree, folder / "layer.zip")
    return (folder / "layer.zip").read_bytes()


@fuzzed
@given(members=MEMBERS)
def test_any_members_are_unpacked_inside_the_folder_or_refused(members: list[Member]) -> None:
    found = read(zipped(members))
    if found is not None:
        assert found == {member.name: member.data for member in members}
        assert len(found) == len(members)


@fuzzed
@given(data=st.data())
def test_a_damaged_archive_is_refused_or_read_as_it_is(ordinary: bytes, data: st.DataObject) -> None:
    damaged = bytearray(ordinary)
    for _ in range(data.draw(st.integers(1, 4))):
        if not damaged:
            break
        where = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "repeat", "number"])):
            case "flip":
                damaged[where] ^= 1 << data.draw(st.integers(0, 7))
            case "cut":
                del damaged[where : where + data.draw(st.integers(1, 200))]
            case "insert":
                damaged[where:where] = data.draw(st.binary(min_size=1, max_size=40))
            case "repeat":
                damaged[where:where] = damaged[where : where + 100]
            case _:  # an extreme where the format may have a number
                damaged[where : where + 4] = data.draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"]))
    read(bytes(damaged))


@fuzzed
@given(data=st.data())
def test_a_damaged_directory_of_the_archive_is_refused_or_read(ordinary: bytes, data: st.DataObject) -> None:
    # The central directory is what a reader believes: damage there is what reaches it.
    start = ordinary.index(b"PK\x01\x02")
    damaged = bytearray(ordinary)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(start, len(damaged) - 2))
        value = data.draw(st.sampled_from([0, 1, 8, 9, 12, 14, 93, 99, 0x7FFF, 0xFFFF]))
        damaged[where : where + 2] = struct.pack("<H", value)
    read(bytes(damaged))


@fuzzed
@given(data=st.binary(max_size=400) | st.binary(max_size=200).map(lambda tail: b"PK\x05\x06" + tail))
def test_garbage_is_refused(data: bytes) -> None:
    read(data)


@fuzzed
@given(data=st.data())
def test_metadata_is_read_from_a_damaged_archive_or_refused(ordinary: bytes, data: st.DataObject) -> None:
    damaged = bytearray(ordinary)
    where = data.draw(st.integers(0, len(damaged) - 2))
    damaged[where : where + 2] = data.draw(st.binary(min_size=2, max_size=2))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "layer.zip"
        archive.write_bytes(damaged)
        try:
            with cpu_seconds(SECONDS):
                read_packages(archive)
        except LayerBuildError:
            return


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_bomb_is_stopped_at_the_limit_without_holding_it(tmp_path: Path, method: int) -> None:
    archive = tmp_path / "layer.zip"
    info = zipfile.ZipInfo("python/zeros", (1980, 1, 1, 0, 0, 0))
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.compress_type = method
    with zipfile.ZipFile(archive, "w") as file, file.open(info, "w", force_zip64=True) as out:
        for _ in range(64):
            out.write(b"\0" * (1 << 20))
    with cpu_seconds(SECONDS), memory_bytes(MEMORY), pytest.raises(LayerBuildError):
        read_entries(archive, tmp_path / "into", LIMIT)
    assert sum(path.stat().st_size for path in (tmp_path / "into").rglob("*")) <= LIMIT + (1 << 20)


def test_a_bomb_of_many_names_for_the_same_bytes_is_stopped(tmp_path: Path) -> None:
    # https://www.bamsoftware.com/hacks/zipbomb/: directory entries that all point at one place.
    data = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = data.compress(b"\0" * LIMIT) + data.flush()
    crc = zlib.crc32(b"\0" * LIMIT)
    sizes = struct.pack("<3L", crc, len(packed), LIMIT)
    local = b"PK\x03\x04" + struct.pack("<5H", 20, 0, 8, 0, 33) + sizes + struct.pack("<2H", 4, 0) + b"0000" + packed
    directory = b"".join(
        b"PK\x01\x02" + struct.pack("<6H", 0x314, 20, 0, 8, 0, 33) + sizes
        + struct.pack("<5H2L", 4, 0, 0, 0, 0, (stat.S_IFREG | 0o644) << 16, 0) + b"%04d" % number
        for number in range(2000)
    )  # fmt: skip
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 2000, 2000, len(directory), len(local), 0)
    archive = tmp_path / "layer.zip"
    archive.write_bytes(local + directory + end)
    with cpu_seconds(SECONDS), memory_bytes(MEMORY), pytest.raises(LayerBuildError):
        read_entries(archive, tmp_path / "into", 10 * LIMIT)
    assert sum(path.stat().st_size for path in (tmp_path / "into").rglob("*")) <= 11 * LIMIT


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 9, 12, 14, 93, 95, 98, 99])
@pytest.mark.parametrize(
    "packed",
    [b"", b"\0" * 64, b"\x09\x04\x05\x00\x5d\xff\xff\xff\xff" + b"\xff" * 64],
    ids=["nothing", "zeros", "lzma with a dictionary of 4 GB"],
)
def test_a_method_that_layers_are_not_packed_with_is_refused(tmp_path: Path, method: int, packed: bytes) -> None:
    sizes = struct.pack("<3L", 0, len(packed), 1_000)
    name = b"python/a.py"
    local = b"PK\x03\x04" + struct.pack("<5H", 20, 0, method, 0, 33) + sizes + struct.pack("<2H", len(name), 0) + name
    directory = b"PK\x01\x02" + struct.pack("<6H", 0x314, 20, 0, method, 0, 33) + sizes
    directory += struct.pack("<5H2L", len(name), 0, 0, 0, 0, (stat.S_IFREG | 0o644) << 16, 0) + name
    end = b"PK\x05\x06" + struct.pack("<4H2LH", 0, 0, 1, 1, len(directory), len(local) + len(packed), 0)
    archive = tmp_path / "layer.zip"
    archive.write_bytes(local + packed + directory + end)
    with cpu_seconds(SECONDS), memory_bytes(MEMORY), pytest.raises(LayerBuildError, match=r"layer\.zip"):
        read_entries(archive, tmp_path / "into", LIMIT)
    assert not any(path.is_file() and path.stat().st_size for path in tmp_path.glob("into/**/*"))


def test_a_mode_that_gives_rights_is_not_taken_over(tmp_path: Path) -> None:
    archive = tmp_path / "layer.zip"
    archive.write_bytes(zipped([Member("python/a", stat.S_IFREG | 0o6755, zipfile.ZIP_STORED, b"#!/bin/sh\n")]))
    entries = read_entries(archive, tmp_path / "into", LIMIT)
    assert stat.S_IMODE((tmp_path / "into/python/a").stat().st_mode) == 0o755
    with pytest.raises(LayerBuildError, match="mode 6755"):
        check_hygiene(archive, entries)
