"""The installed packages as files: whose each is, and which there are."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.plan import LayerBuildError, is_plain_path, normal_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PYTHON = "python"
"""Where packages are in a layer: /opt/python."""
SCRIPT = Path(__file__).with_name("in_target.py")
"""Runs in the target's interpreter."""
SHARED = Path(__file__).parent.with_name("smoke_calls")
"""What smoke files of several layers share, importable in the target's interpreter."""
SCRIPTS = ("bin/", "../../bin/", "../../../bin/")
"""How `uv pip install --target` lists the programs of a package in its RECORD, a wheel's own and those that it makes;
they are in `bin/` of that folder."""
_TAG = re.compile(r"(?mi)^Tag:[ \t]*(\S+)")
_MAX_RECORD_BYTES = 32_000_000
_REMEMBERED = 512
"""RECORD files that are known parsed: each step of a build looks at them."""


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
    scripts: tuple[str, ...] = ()
    """Programs that it brings, below python/ as uv leaves them: `bin/name`."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def packages(python: Path) -> list[Package]:
    """The distributions below a folder, by name.

    Raises:
        LayerBuildError: one has no RECORD or names a file outside the folder.
    """
    return [_package(info) for info in sorted(python.glob("*.dist-info"))]


def owners(installed: Iterable[Package]) -> dict[str, Package]:
    """File below python/ → the package it is of; of several that hold the same file (`shared_files.py`), the first."""
    found: dict[str, Package] = {}
    for package in installed:
        for file in (*package.files, *package.scripts):
            found.setdefault(file, package)
    return found


def package_bytes(installed: Sequence[Package], sizes: Mapping[str, int]) -> dict[str, int]:
    """Unzipped bytes of each package, by name; `sizes` are of the files that are there, below python/."""
    found = {package.name: 0 for package in installed}
    for file, package in owners(installed).items():
        found[package.name] += sizes.get(file, 0)
    return found


def _package(info: Path) -> Package:
    name, _, version = info.name.removesuffix(".dist-info").partition("-")
    record = info / "RECORD"
    if not record.is_file() or record.stat().st_size > _MAX_RECORD_BYTES:
        raise LayerBuildError(f"package {name} {version} has no RECORD of its files: its wheel is broken")
    wheel = info / "WHEEL"
    said = wheel.read_text(encoding="utf-8") if wheel.is_file() else ""
    return _parsed(info.name, record.read_text(encoding="utf-8"), said)


@lru_cache(_REMEMBERED)
def _parsed(info: str, record: str, wheel: str) -> Package:
    name, _, version = info.removesuffix(".dist-info").partition("-")
    files: set[str] = set()
    scripts: set[str] = set()
    for listed, _, _ in _rows(record):
        file = listed.replace("\\", "/")
        if file.startswith(SCRIPTS) and is_plain_path(script := file[file.index("bin/") :]):
            scripts.add(script)
            continue
        if not is_plain_path(file):
            raise LayerBuildError(
                f"package {name} {version}: its RECORD lists {file!r}, outside the layer: its wheel is "
                "hostile or broken"
            )
        files.add(file)
    tags = tuple(_TAG.findall(wheel))
    return Package(normal_name(name), version, info, tags, tuple(sorted(files)), tuple(sorted(scripts)))


def record_rows(record: Path) -> Sequence[tuple[str, str, str]]:
    """File, hash, bytes of each file that a RECORD lists; empty where it says nothing."""
    return _rows(record.read_text(encoding="utf-8"))


@lru_cache(_REMEMBERED)
def _rows(record: str) -> tuple[tuple[str, str, str], ...]:
    filled = ([*row, "", ""] for row in csv.reader(io.StringIO(record, newline="")) if row)
    return tuple((file, digest, size) for file, digest, size, *_ in filled)
