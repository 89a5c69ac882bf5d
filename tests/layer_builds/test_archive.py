"""The zip: the same bytes everywhere, readable by everybody; and a reader for zips that anybody may have written."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import deflate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layer_builds.build import in_target
from layer_builds.build.archive import LEVEL, check_compressor, content_sha256, write_archive
from layer_builds.build.unpacking import check_hygiene, read_entries
from layer_builds.host import qemu
from layer_builds.host.interpreters import find_interpreter
from layer_builds.plan import RUNTIMES, LayerBuildError, Target, is_plain_path

if TYPE_CHECKING:
    from layer_builds.plan import Runtime

PATHS = st.from_regex(r"[a-zä漢_.]{1,8}(/[a-zä漢_.]{1,8}){0,3}", fullmatch=True).filter(is_plain_path)
GOLDEN_ARCHIVE = "6405dae63ed7e669"
GOLDEN_BYTECODE = {
    "3.11.7": "02951590235e4359",
    "3.12.1": "9f8c3cbbbfe00880",
    "3.13.0": "c6c8a4e68d6e77d4",
    "3.14.8": "6ceec3dc95a45370",
}


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def archive_of(folder: Path, files: dict[str, bytes]) -> bytes:
    archive = folder / "out.zip"
    write_archive(write_tree(folder / "tree", files), archive)
    return archive.read_bytes()


SAMPLE = {
    "python/empty.py": b"",
    "python/code.py": b"def f(x):\n    return x\n" * 200,
    "python/native.so": b"\x7fELF" + bytes(range(256)) * 40,
    "vocabulary/wörter.bin": hashlib.sha256(b"").digest() * 9,
}


def test_the_golden_archive_changes_only_with_format(tmp_path: Path) -> None:
    found = hashlib.sha256(archive_of(tmp_path, SAMPLE)).hexdigest()[:16]
    assert found == GOLDEN_ARCHIVE, "other bytes: raise FORMAT in digest.py, then note the new hash here"


@pytest.mark.parametrize("runtime", RUNTIMES.values(), ids=lambda runtime: runtime.name)
def test_the_golden_bytecode_changes_only_with_format(runtime: Runtime) -> None:
    """Of each pinned compiler that is on this machine."""
    source = '"""Doc."""\nimport os\nclass A:\n    x = {"b", "a", 1.5}\n    def f(self, y=("p", b"q")):\n'
    source += "        return self.x in y\n"
    try:
        python = find_interpreter(runtime.compiler)
    except LayerBuildError:
        pytest.skip(f"CPython {runtime.compiler}, the pinned compiler of {runtime.name}, is not here")
    code = f"import sys, in_target as it; sys.stdout.buffer.write(it.bytecode({source.encode()!r}, '/opt/python/a.py'))"
    folder = Path(in_target.__file__).parent
    done = subprocess.run([python, "-B", "-c", code], cwd=folder, capture_output=True, check=True)
    found = hashlib.sha256(done.stdout[16:]).hexdigest()[:16]
    assert found == GOLDEN_BYTECODE[runtime.compiler], "other bytecode: raise FORMAT in digest.py, note it here"


def test_bytecode_does_not_depend_on_what_the_process_has_loaded() -> None:
    """typing_extensions and typing share names: py_compile gives other bytes when the other one is loaded."""
    import typing

    source = Path(typing.__file__).read_bytes()
    code = f"import sys, hashlib; sys.path.insert(0, {str(Path(in_target.__file__).parent)!r}); "
    bare = (
        "import in_target; print(hashlib.sha256(in_target.bytecode(sys.stdin.buffer.read(), '/opt/x.py')).hexdigest())"
    )
    loaded = "import asyncio, ast, typing, email.message, ntpath, dataclasses; "
    hashes = {
        subprocess.run(
            [sys.executable, "-S", "-c", code + extra + bare],
            input=source,
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for extra in ("", loaded)
        for seed in ("0", "1", "2")
    }
    assert len(hashes) == 1
    compiled = in_target.bytecode(b"def f(x):\n    return [i for i in x if i]\n", "/opt/python/f.py")
    assert compiled.count(b"/opt/python/f.py") == 1, "one string for all functions of a module"


def test_slices_are_what_they_were(tmp_path: Path) -> None:
    """Python 3.14 makes constants of them, alone and in tuples, and marshal's version 2 knows none."""
    shown = "[x[1:2], x[::-3], x[1:2, ::3], x['a':b'c'], x[:10**30], x[True:1.0], ('slice', 1)]"
    source = f"class Echo:\n    def __getitem__(self, index): return index\nx = Echo()\ndef f(): return {shown}\n"
    (tmp_path / "plain.py").write_text(source)
    (tmp_path / "ours.pyc").write_bytes(in_target.bytecode(source.encode(), "/opt/python/ours.py"))
    code = "import ours, plain; print(repr(ours.f()) == repr(plain.f()), ours.f()[2])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True (slice(1, 2, None), slice(None, None, 3))\n"


@given(st.dictionaries(PATHS, st.binary(max_size=300), max_size=8))
def test_what_is_written_reads_back_and_everybody_can_read_it(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    names = sorted(files)
    if any(one != other and other.startswith(f"{one}/") for one in names for other in names):
        return  # a file cannot be a folder too
    folder = tmp_path_factory.mktemp("archive")
    data = archive_of(folder, files)
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in file.namelist()} == files
    entries = read_entries(folder / "out.zip", folder / "unpacked")
    check_hygiene(folder / "out.zip", entries)
    assert {entry.path: (folder / "unpacked" / entry.path).read_bytes() for entry in entries} == files


def test_modes_times_and_order_on_disk_do_not_matter(tmp_path: Path) -> None:
    first = archive_of(tmp_path / "one", SAMPLE)
    tree = write_tree(tmp_path / "two/tree", dict(reversed(SAMPLE.items())))
    for path in tree.rglob("*.*"):
        path.chmod(0o777)
        os.utime(path, (0, 0))
    write_archive(tree, tmp_path / "two.zip")
    assert (tmp_path / "two.zip").read_bytes() == first


def test_the_content_hash_does_not_depend_on_the_compressor(tmp_path: Path) -> None:
    archive_of(tmp_path, SAMPLE)
    entries = read_entries(tmp_path / "out.zip")
    stored = tmp_path / "stored.zip"
    with zipfile.ZipFile(tmp_path / "out.zip") as source, zipfile.ZipFile(stored, "w") as out:
        for info in source.infolist():
            plain = zipfile.ZipInfo(info.filename)
            plain.external_attr = info.external_attr
            out.writestr(plain, source.read(info))
    assert content_sha256(read_entries(stored)) == content_sha256(entries)


def test_another_compressor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_compressor()
    monkeypatch.setattr(deflate, "deflate_compress", lambda data, level: data)
    with pytest.raises(LayerBuildError, match=r"compresses to other bytes than the pinned one.*make env"):
        check_compressor()


def hostile(path: Path, *entries: tuple[zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for info, data in entries:
            out.writestr(info, data)
    return path


def entry(name: str, kind: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.filename = name  # ZipInfo tidies it otherwise
    info.external_attr = kind << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.mark.parametrize(
    "name", ["../escape", "/etc/passwd", "a/../../b", "a//b", "./a", "C:\\x", "a\\..\\b", "a\x00b", "a\nb"]
)
def test_a_path_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = hostile(tmp_path / "x.zip", (entry(name), b"x"))
    if "\x00" in name:  # zipfile cuts it when writing: put it back into both headers
        archive = hostile(tmp_path / "x.zip", (entry("a_b"), b"x"))
        archive.write_bytes(archive.read_bytes().replace(b"a_b", b"a\x00b"))
    with pytest.raises(LayerBuildError, match="unpacked outside its folder or nowhere"):
        read_entries(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_links_duplicates_and_encrypted_entries_are_refused(tmp_path: Path) -> None:
    link = hostile(tmp_path / "link.zip", (entry("a", stat.S_IFLNK | 0o777), b"/etc"), (entry("a/passwd"), b"x"))
    with pytest.raises(LayerBuildError, match="'a', which is a link or a special file"):
        read_entries(link, tmp_path / "out")
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = hostile(tmp_path / "twice.zip", (entry("a"), b"1"), (entry("a"), b"2"))
    with pytest.raises(LayerBuildError, match="holds 'a' twice"):
        read_entries(twice)
    locked = hostile(tmp_path / "locked.zip", (entry("a"), b"1"))
    data = bytearray(locked.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    locked.write_bytes(data)
    with pytest.raises(LayerBuildError, match="'a' encrypted"):
        read_entries(locked)


def test_a_bomb_is_not_unpacked_even_when_its_header_lies(tmp_path: Path) -> None:
    bomb = hostile(tmp_path / "bomb.zip", (entry("a"), bytes(5_000_000)))
    assert bomb.stat().st_size < 10_000
    with pytest.raises(LayerBuildError, match="unpacks to more than 1,000,000 bytes"):
        read_entries(bomb, tmp_path / "out", limit=1_000_000)
    data = bytearray(bomb.read_bytes())
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, 10)  # says it is ten bytes
    bomb.write_bytes(data)
    with pytest.raises(LayerBuildError):
        read_entries(bomb, tmp_path / "lying", limit=1_000_000)
    assert (tmp_path / "lying/a").stat().st_size <= 1_000_000


@pytest.mark.parametrize("cut", [0, 10, 100, -30, -1])
def test_a_damaged_zip_says_what_to_do(tmp_path: Path, cut: int) -> None:
    archive = tmp_path / "cut.zip"
    archive.write_bytes(archive_of(tmp_path, SAMPLE)[:cut])
    with pytest.raises(LayerBuildError, match=r"cut.zip is not a readable zip .*: delete it and build again"):
        read_entries(archive)


def test_a_full_disk_is_not_blamed_on_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive_of(tmp_path, SAMPLE)
    full = Path("/dev/full").open("wb")  # noqa: SIM115 - closed by the one that unpacks
    monkeypatch.setattr("layer_builds.build.unpacking._sink", lambda target: full)
    with pytest.raises(LayerBuildError, match=r"unpacking out\.zip failed: No space left on device.* MB free in "):
        read_entries(tmp_path / "out.zip", tmp_path / "unpacked")


@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_flipped_byte_is_an_error_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    data = bytearray(archive_of(folder, {"python/a.py": b"x = 1\n" * 20}))
    wanted = content_sha256(read_entries(folder / "out.zip"))
    data[place % len(data)] ^= change
    (folder / "flipped.zip").write_bytes(data)
    try:
        entries = read_entries(folder / "flipped.zip")
    except LayerBuildError:
        return
    assert [entry.sha256 for entry in entries] == [hashlib.sha256(b"x = 1\n" * 20).hexdigest()] or content_sha256(
        entries
    ) != wanted


def test_a_zip_of_others_is_told_from_ours(tmp_path: Path) -> None:
    timed = hostile(tmp_path / "timed.zip", (entry("a"), b"x"))
    with zipfile.ZipFile(timed, "w") as out:
        out.writestr(zipfile.ZipInfo("a", (2026, 1, 1, 0, 0, 0)), b"x")
    with pytest.raises(LayerBuildError, match="a carries a time"):
        check_hygiene(timed, read_entries(timed))
    unsorted = hostile(tmp_path / "unsorted.zip", (entry("b"), b"x"), (entry("a"), b"x"))
    with pytest.raises(LayerBuildError, match="not sorted"):
        check_hygiene(unsorted, read_entries(unsorted))
    odd = hostile(tmp_path / "odd.zip", (entry("a", stat.S_IFREG | 0o4755), b"x"))
    with pytest.raises(LayerBuildError, match="a has mode 4755"):
        check_hygiene(odd, read_entries(odd))
    scripts = hostile(tmp_path / "scripts.zip", (entry("python/bin/tool"), b"x"))
    with pytest.raises(LayerBuildError, match="paths of the machine that built it"):
        check_hygiene(scripts, read_entries(scripts))


@pytest.mark.slow
def test_another_cpu_compresses_to_the_same_bytes(tmp_path: Path) -> None:
    """Under qemu, with the arm64 wheel of the compressor; skipped where there is no root for it."""
    target = Target("python3.13", "arm64")
    command = qemu.command(target)
    if isinstance(command, str):
        pytest.skip(command)
    from layer_builds.host.processes import find_uv

    requirement = f"deflate=={deflate.__version__}"
    argv = [
        find_uv(),
        "pip",
        "install",
        "-q",
        "--python",
        sys.executable,
        "--target",
        str(tmp_path / "there"),
        "--only-binary",
        ":all:",
    ]
    subprocess.run(
        [*argv, "--python-version", "3.13", "--python-platform", target.uv_platform, requirement], check=True
    )
    code = (
        f"import sys, hashlib; sys.path.insert(0, {str(tmp_path / 'there')!r}); import deflate; "
        f"print(hashlib.sha256(bytes(deflate.deflate_compress(sys.stdin.buffer.read(), {LEVEL}))).hexdigest())"
    )
    data = b"".join(path.read_bytes() for path in sorted(Path(in_target.__file__).parent.glob("*.py")))
    there = subprocess.run([*command, "-I", "-S", "-c", code], input=data, capture_output=True, check=True, env={})
    assert there.stdout.decode().strip() == hashlib.sha256(bytes(deflate.deflate_compress(data, LEVEL))).hexdigest()
