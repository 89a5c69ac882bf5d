"""The installed packages as files: whose each is, what of them a layer can do without, and RECORD to match.

Owns pruning and RECORD. It works on a private copy (`--link-mode copy`): uv's cache shares files by hard links
otherwise, and changing one there would break every later install.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from layer_builds.archive import tree_files
from layer_builds.errors import LayerBuildError
from layer_builds.spec import is_plain_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from layer_builds.archive import Entry

PYTHON = "python"
"""Where packages are in a layer: /opt/python."""

_INSTALLERS_OWN = {"direct_url.json", "uv_cache.json", "uv_build.json", "INSTALLER", "REQUESTED"}
_TEST_FOLDER = re.compile(r"(?<=/)tests?/")
_TESTS = re.compile(rb"\btests?\b")
_USELESS = re.compile(r".*\.(pyc|pyo|c|cc|cpp|h|hpp|pxd|pyx|pxi|a|la|lib|f|f90)")
_MAX_RECORD_BYTES = 32_000_000
Fingerprint = tuple[str, str]
"""A file's hash and bytes, as the last two of RECORD's three columns have them:
https://packaging.python.org/en/latest/specifications/recording-installed-packages/."""

ImportsOf = Callable[[Sequence[str]], Mapping[str, Sequence[str] | None]]
"""Modules → what each imports, as paths below python/; None for one that is not Python for the target."""


@dataclass(frozen=True, slots=True)
class Package:
    """One installed distribution."""

    name: str
    """Normalised."""
    version: str
    info: str
    """Its `.dist-info` folder's name."""
    tags: tuple[str, ...]
    """`Tag:` lines of its WHEEL file."""
    files: tuple[str, ...]
    """Below python/, sorted, as its RECORD lists them."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def packages(python: Path) -> list[Package]:
    """The distributions below a folder, by name.

    Raises:
        LayerBuildError: one has no RECORD or names a file outside the folder.
    """
    return [_package(info) for info in sorted(python.glob("*.dist-info"))]


def owners(installed: Iterable[Package]) -> dict[str, Package]:
    """File below python/ → the package it is of.

    Raises:
        LayerBuildError: two packages hold the same file: the one installed last has overwritten the other's.
    """
    found: dict[str, Package] = {}
    for package in installed:
        for file in package.files:
            other = found.get(file)
            if other is not None and other.name != package.name:
                raise LayerBuildError(
                    f"packages {other} and {package} both hold {file}, and one has overwritten the other's: leave one "
                    "of them out (`without` in layer.toml)"
                )
            found[file] = package
    return found


def prune(python: Path, imports_of: ImportsOf) -> list[str]:
    """Delete what a function never uses or what differs between machines; say what went.

    Deleted: `.lock` and `bin/` (they hold the host's paths), the installer's own notes, bytecode that came along,
    sources and headers of compiled code, and folders of tests that nothing else in the layer imports.

    Args:
        python: The folder of packages.
        imports_of: Reads modules, by their paths below it, as the target's Python does: this process's may be of
            another version, which takes other code for Python.
    """
    gone: set[str] = set()
    for name in ("bin", "include", "share/man", "share/doc"):
        gone.update(_remove(python, python / name))
    files = tree_files(python)
    useless = {file for file in files if _is_useless(PurePosixPath(file))}
    kept = [file for file in files if file not in useless]
    tests = tuple(f"{folder}/" for folder in _unused_tests(python, kept, imports_of))
    useless.update(file for file in kept if file.startswith(tests))
    _unlink(python, useless)
    return sorted(gone | useless - {".lock"})


def drop(python: Path, globs: Sequence[str]) -> list[str]:
    """Delete what layer.toml names, and say what went.

    Raises:
        LayerBuildError: a glob matches nothing, so the package has changed since it was written.
    """
    if not globs:
        return []
    gone: set[str] = set()
    files = tree_files(python)
    for glob in globs:
        pattern = _glob(glob)
        found = [file for file in files if pattern.fullmatch(file)]
        if not found:
            raise LayerBuildError(
                f"`drop` in layer.toml names {glob!r}, and no file is there any more: look what the package has instead"
            )
        gone.update(found)
    _unlink(python, gone)
    return sorted(gone)


def _glob(glob: str) -> re.Pattern[str]:
    """`*` within a name, `**` across folders. pathlib's `**` means other files in 3.11 than in 3.13."""
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", glob)))


def fingerprints(python: Path) -> dict[str, Fingerprint]:
    """File below python/ → what RECORD says of it."""
    return {file: _fingerprint(python / file) for file in tree_files(python)}


def write_records(python: Path, known: Mapping[str, Fingerprint]) -> None:
    """Make every RECORD say what is there: rows of deleted files go, those of new bytecode come; sorted.

    Args:
        python: The folder of packages.
        known: Fingerprints that were taken before, of files that are as they were then; the others are read.
    """
    files = set(tree_files(python))
    compiled: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        folder, cached, name = file.rpartition("__pycache__/")
        if cached and name.endswith(".pyc"):
            compiled[f"{folder}{name.removesuffix('.pyc').rpartition('.')[0]}.py"].append(file)
    for package in packages(python):
        record = f"{package.info}/RECORD"
        kept = files.intersection(package.files)
        kept |= {one for file in kept for one in compiled.get(file, ())}
        rows = [(file, *(known.get(file) or _fingerprint(python / file))) for file in sorted(kept - {record})]
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([*rows, (record, "", "")])
        (python / record).write_text(out.getvalue(), encoding="utf-8", newline="")


def altered(python: Path, found: Mapping[str, Fingerprint]) -> list[tuple[Package, str]]:
    """Files that are not what their wheel's own RECORD says, fresh from installing: (package, file below python/).

    uv links files out of its cache into virtual environments. A program that changes one there in place (certificates
    added to certifi's list, a stripped library) has changed the cache, and uv does not look at it again.
    """
    return [
        (package, file)
        for package in packages(python)
        for file, digest, _ in _record_rows(python / package.info / "RECORD")
        if digest.startswith("sha256=") and file in package.files and found.get(file, ("", ""))[0] != digest.rstrip("=")
    ]


def check_records(python: Path, installed: Iterable[Package], entries: Iterable[Entry]) -> None:
    """Check that every file of an archive belongs to a package and is as its RECORD says.

    Args:
        python: The folder of packages that was archived, or that the archive was unpacked to.
        installed: The packages in it.
        entries: What the archive holds.

    Raises:
        LayerBuildError: naming the package and the file.
    """
    packed = {entry.path.removeprefix(f"{PYTHON}/"): entry for entry in entries if entry.path.startswith(f"{PYTHON}/")}
    whose = owners(installed)
    for file in packed:
        if file not in whose:
            raise LayerBuildError(f"{PYTHON}/{file} is in no package's RECORD: something else wrote into the layer")
    for package in installed:
        for file, digest, size in _record_rows(python / package.info / "RECORD"):
            if file.endswith(".dist-info/RECORD"):
                continue
            if file not in packed:
                raise LayerBuildError(f"package {package}: its RECORD lists {file}, which is not there")
            if (digest, size) != (_recorded(bytes.fromhex(packed[file].sha256)), str(packed[file].size)):
                raise LayerBuildError(
                    f"package {package}: {file} is not what its RECORD says: it was changed after install"
                )


def package_bytes(python: Path, installed: Sequence[Package]) -> dict[str, int]:
    """Unzipped bytes of each package, by name."""
    return {package.name: sum((python / file).stat().st_size for file in package.files) for package in installed}


def _package(info: Path) -> Package:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    record = info / "RECORD"
    if not record.is_file() or record.stat().st_size > _MAX_RECORD_BYTES:
        raise LayerBuildError(f"package {name} {version} has no RECORD of its files: its wheel is broken")
    files: set[str] = set()
    for listed, _, _ in _record_rows(record):
        file = listed.replace("\\", "/")
        if file.startswith(("../../bin/", "../../../bin/")):
            continue  # `uv pip install --target` lists the scripts so, and they are deleted
        if not is_plain_path(file):
            raise LayerBuildError(
                f"package {name} {version}: its RECORD lists {file!r}, outside the layer: its wheel is "
                "hostile or broken"
            )
        files.add(file)
    wheel = info / "WHEEL"
    tags = HeaderParser().parsestr(wheel.read_text(encoding="utf-8")).get_all("Tag", []) if wheel.is_file() else []
    normal = re.sub(r"[-_.]+", "-", name).lower()
    return Package(normal, version, info.name, tuple(tags), tuple(sorted(files)))


def _record_rows(record: Path) -> list[tuple[str, str, str]]:
    """File, hash, bytes of each file that a RECORD lists; empty where it says nothing."""
    rows = csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline=""))
    filled = ([*row, "", ""] for row in rows if row)
    return [(file, digest, size) for file, digest, size, *_ in filled]


def _fingerprint(path: Path) -> Fingerprint:
    data = path.read_bytes()
    return _recorded(hashlib.sha256(data).digest()), str(len(data))


def _recorded(sha256: bytes) -> str:
    return f"sha256={base64.urlsafe_b64encode(sha256).rstrip(b'=').decode()}"


def _remove(python: Path, folder: Path) -> list[str]:
    if not folder.is_dir() or folder.is_symlink():
        return []
    files = [path.relative_to(python).as_posix() for path in folder.rglob("*") if path.is_file()]
    shutil.rmtree(folder)
    return files


def _is_useless(path: PurePosixPath) -> bool:
    notes = path.parent.name.endswith(".dist-info") and path.name in _INSTALLERS_OWN
    return notes or "__pycache__" in path.parts or path.name == ".lock" or bool(_USELESS.fullmatch(path.name))


def _unlink(python: Path, files: Iterable[str]) -> None:
    """Delete files, and the folders that are empty then."""
    for file in files:
        (python / file).unlink()
    for folder, _, _ in os.walk(python, topdown=False):
        if Path(folder) != python and not os.listdir(folder):  # noqa: PTH208 - os.walk gives a string
            Path(folder).rmdir()


def _unused_tests(python: Path, files: Sequence[str], imports_of: ImportsOf) -> list[str]:
    """Folders named `test` or `tests` inside a package that no module outside of them imports.

    `numpy.testing` is what such imports are for: deleting `numpy/_core/tests` breaks it. A module that does not parse
    may import any that its package has.
    """
    folders = {file[: found.end() - 1] for file in files for found in _TEST_FOLDER.finditer(file)}
    tops = {folder.partition("/")[0] for folder in folders}
    left = {file for file in files if tops and file.endswith(".py") and _may_import_tests(python / file, file, tops)}
    unused = set(folders)
    # Nearly always once: what is inside of them is only read when a folder turns out to be used.
    while unused and (outside := sorted(left - _inside(unused, left))):
        left.difference_update(outside)
        for file, imported in imports_of(outside).items():
            modules = _of_one_package(file, folders) if imported is None else imported
            unused -= {folder for folder in unused for module in modules if f"{module}/".startswith(f"{folder}/")}
    # A folder inside a kept one, or inside one that goes, follows it.
    return sorted(unused - _inside(folders, unused))


def _inside(folders: Iterable[str], paths: Iterable[str]) -> set[str]:
    starts = tuple(f"{folder}/" for folder in folders)
    return {path for path in paths if path.startswith(starts)}


def _of_one_package(file: str, folders: Iterable[str]) -> list[str]:
    return [folder for folder in folders if folder.partition("/")[0] == file.partition("/")[0]]


def _may_import_tests(path: Path, file: str, tops: Iterable[str]) -> bool:
    """Whether a module is worth parsing: it says `test` or `tests`, and is in a package that has them or names one."""
    data = path.read_bytes()
    near = b"test" in data and any(file.startswith(f"{top}/") or top.encode() in data for top in tops)
    return near and bool(_TESTS.search(data))
