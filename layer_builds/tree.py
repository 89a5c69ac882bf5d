"""The installed packages as files: whose each is, what of them a layer can do without, and RECORD to match.

Owns pruning and RECORD. It works on a private copy (`--link-mode copy`): uv's cache shares files by hard links
otherwise, and changing one there would break every later install.
"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import io
import re
import shutil
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from layer_builds.archive import tree_files
from layer_builds.errors import LayerBuildError
from layer_builds.spec import is_plain_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PYTHON = "python"
"""Where packages are in a layer: /opt/python."""

_INSTALLERS_OWN = {"direct_url.json", "uv_cache.json", "uv_build.json", "INSTALLER", "REQUESTED"}
_TEST_FOLDERS = {"test", "tests"}
_IMPORTS_TESTS = re.compile(rb"^[ \t]*(?:from|import)\b[^\n]*\btests?\b", re.MULTILINE)
_USELESS = re.compile(r".*\.(pyc|pyo|c|cc|cpp|h|hpp|pxd|pyx|pxi|a|la|lib|f|f90)")
_MAX_RECORD_BYTES = 32_000_000
RECORD_COLUMNS = 3
"""File, hash, bytes: https://packaging.python.org/en/latest/specifications/recording-installed-packages/."""


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


def prune(python: Path) -> list[str]:
    """Delete what a function never uses or what differs between machines; say what went.

    Deleted: `.lock` and `bin/` (they hold the host's paths), the installer's own notes, bytecode that came along,
    sources and headers of compiled code, and folders of tests that nothing else in the layer imports.
    """
    gone: list[str] = []
    for name in ("bin", "include", "share/man", "share/doc"):
        gone += _remove(python, python / name)
    (python / ".lock").unlink(missing_ok=True)
    for path in sorted(python.rglob("__pycache__")):
        gone += _remove(python, path)
    for file in tree_files(python):
        path = PurePosixPath(file)
        notes = path.parent.name.endswith(".dist-info") and path.name in _INSTALLERS_OWN
        if notes or _USELESS.fullmatch(path.name) or path.name == ".lock":
            (python / file).unlink()
            gone.append(file)
    for folder in _unused_tests(python):
        gone += _remove(python, python / folder)
    _remove_empty(python)
    return sorted(gone)


def drop(python: Path, globs: Sequence[str]) -> list[str]:
    """Delete what layer.toml names, and say what went.

    Raises:
        LayerBuildError: a glob matches nothing, so the package has changed since it was written.
    """
    gone: list[str] = []
    for glob in globs:
        pattern = _glob(glob)
        found = [file for file in tree_files(python) if pattern.fullmatch(file)]
        if not found:
            raise LayerBuildError(
                f"`drop` in layer.toml names {glob!r}, and no file is there any more: look what the package has instead"
            )
        for file in found:
            (python / file).unlink()
        gone += found
    _remove_empty(python)
    return sorted(gone)


def _glob(glob: str) -> re.Pattern[str]:
    """`*` within a name, `**` across folders. pathlib's `**` means other files in 3.11 than in 3.13."""
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", glob)))


def write_records(python: Path) -> None:
    """Make every RECORD say what is there: rows of deleted files go, those of new bytecode come; sorted."""
    for package in packages(python):
        kept = {file for file in package.files if (python / file).is_file()}
        kept |= {
            compiled.relative_to(python).as_posix()
            for file in kept
            if file.endswith(".py")
            for compiled in (python / file).parent.glob(f"__pycache__/{PurePosixPath(file).stem}.*.pyc")
        }
        record = f"{package.info}/RECORD"
        rows = [[file, *_fingerprint(python / file)] for file in sorted(kept - {record})]
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerows([*rows, [record, "", ""]])
        (python / record).write_text(out.getvalue(), encoding="utf-8", newline="")


def altered(python: Path) -> list[tuple[Package, str]]:
    """Files that are not what their wheel's own RECORD says, fresh from installing: (package, file below python/).

    uv links files out of its cache into virtual environments. A program that changes one there in place (certificates
    added to certifi's list, a stripped library) has changed the cache, and uv does not look at it again.
    """
    found: list[tuple[Package, str]] = []
    for package in packages(python):
        text = (python / package.info / "RECORD").read_text(encoding="utf-8")
        for row in csv.reader(io.StringIO(text, newline="")):
            if len(row) == RECORD_COLUMNS and row[1].startswith("sha256=") and row[0] in package.files:
                path = python / row[0]
                if not path.is_file() or _fingerprint(path)[0] != row[1].rstrip("="):
                    found.append((package, row[0]))
    return found


def check_records(python: Path, installed: Iterable[Package]) -> None:
    """Check that every file belongs to a package and is as its RECORD says.

    Raises:
        LayerBuildError: naming the package and the file.
    """
    whose = owners(installed)
    for file in tree_files(python):
        if file not in whose:
            raise LayerBuildError(f"{PYTHON}/{file} is in no package's RECORD: something else wrote into the layer")
    for package in {id(one): one for one in whose.values()}.values():
        text = (python / package.info / "RECORD").read_text(encoding="utf-8")
        for file, digest, size in csv.reader(io.StringIO(text, newline="")):
            if file.endswith(".dist-info/RECORD"):
                continue
            if not (python / file).is_file():
                raise LayerBuildError(f"package {package}: its RECORD lists {file}, which is not there")
            if [digest, size] != _fingerprint(python / file):
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
    for row in csv.reader(io.StringIO(record.read_text(encoding="utf-8"), newline="")):
        if not row:
            continue
        file = row[0].replace("\\", "/")
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


def _fingerprint(path: Path) -> list[str]:
    data = path.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [f"sha256={digest}", str(len(data))]


def _remove(python: Path, folder: Path) -> list[str]:
    if not folder.is_dir() or folder.is_symlink():
        return []
    files = [path.relative_to(python).as_posix() for path in folder.rglob("*") if path.is_file()]
    shutil.rmtree(folder)
    return files


def _remove_empty(python: Path) -> None:
    for folder in sorted((path for path in python.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _unused_tests(python: Path) -> list[str]:
    """Folders named `test` or `tests` inside a package that no module outside of them imports.

    `numpy.testing` is what such imports are for: deleting `numpy/_core/tests` breaks it.
    """
    folders = {
        path.relative_to(python).as_posix()
        for path in python.rglob("*")
        if path.name in _TEST_FOLDERS and path.is_dir() and path.parent != python
    }
    used: set[str] = set()
    changed = True
    while changed:
        changed = False
        candidates = folders - used
        for module in _imported(python, candidates):
            for folder in candidates:
                if module == folder or module.startswith(f"{folder}/"):
                    used.add(folder)
                    changed = True
    # A folder inside a kept one, or inside one that goes, follows it.
    return sorted(folder for folder in folders - used if not any(folder.startswith(f"{other}/") for other in folders))


def _imported(python: Path, candidates: set[str]) -> set[str]:
    found: set[str] = set()
    for path in python.rglob("*.py"):
        relative = path.relative_to(python).as_posix()
        if any(relative.startswith(f"{folder}/") for folder in candidates):
            continue
        data = path.read_bytes()
        if not _IMPORTS_TESTS.search(data):
            continue
        try:
            tree = ast.parse(data)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            found |= _targets(node, relative)
    return found


def _targets(node: ast.AST, relative: str) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.replace(".", "/") for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    base = list(PurePosixPath(relative).parent.parts)
    base = base[: len(base) - (node.level - 1)] if node.level else []
    module = "/".join([*base, *(node.module or "").split(".")]).strip("/")
    return {module, *(f"{module}/{alias.name}".strip("/") for alias in node.names)}
