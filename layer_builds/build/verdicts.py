"""What a smoke call has to show, whatever the layer's own file does: each requirement imports, and from the layer."""

from __future__ import annotations

import os
import re
from importlib.metadata import PathDistribution
from typing import TYPE_CHECKING

from layer_builds.build.elf import PROVIDED
from layer_builds.build.roots import importable_roots
from layer_builds.build.tree import PYTHON, packages
from layer_builds.plan import LayerBuildError, normal_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from layer_builds.build.tree import Package
    from layer_builds.plan import LayerSpec, Target

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OF_PYTHON = re.compile(
    r"lib(ssl|crypto|ffi|bz2|lzma|sqlite3|expat|uuid|mpdec|readline|tinfo\w*|ncurses\w*|panel\w*|gdbm\w*|db-\d.*|nsl|tirpc"
    r"|zstd)(-[\w.]+)?\.so.*|ld-linux.*|.*\.cpython-\d+\w*-.*\.so"
)
"""What the standard library's own modules load from the system that Python was built on."""


def requirement_roots(layer: LayerSpec, python: Path) -> dict[str, list[str]]:
    """The modules that each requirement of a layer is there for; of those that are in it and not in an earlier one."""
    names = {*(line.name for line in layer.requirements()), *layer.local}
    installed = {package.name: package for package in packages(python)}
    return {name: _roots(package, installed, python) for name, package in installed.items() if name in names}


def _roots(package: Package, installed: Mapping[str, Package], python: Path) -> list[str]:
    if any(not file.startswith(f"{package.info}/") for file in package.files):
        return importable_roots(package, python)
    # Nothing but a list of others, as `python-Levenshtein` is of `Levenshtein`: those are what it is there for.
    needs = PathDistribution(python / package.info).requires or []
    names = {normal_name(found[0]) for need in needs if (found := _NAME.match(need))}
    return sorted({root for name in names & set(installed) for root in importable_roots(installed[name], python)})


def import_notes(
    layer: LayerSpec, target: Target, requirements: Mapping[str, Sequence[str]], failed: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """What to say about imports that were tried.

    Raises:
        LayerBuildError: nothing of a requirement can be imported.
    """
    notes: list[str] = []
    for name, roots in requirements.items():
        errors = failed.get(name, {})
        if not roots:
            notes.append(f"requirement {name} brings no module to import, so nothing of it was tried")
        elif len(errors) == len(roots):
            root, error = next(iter(errors.items()))
            raise LayerBuildError(
                f"requirement {name} of layer {layer.name} cannot be imported for {target}: `import {root}` fails with "
                f"{error}\nIt would fail in Lambda as well: a package is missing, does not fit another, or needs what "
                "the runtime lacks"
            )
        else:
            notes += [f"module {root} of {name} cannot be imported: {error}" for root, error in errors.items()]
    return notes


def check_mapped(layer: LayerSpec, target: Target, mapped: Sequence[str], allowed: Sequence[Path]) -> None:
    """Refuse a call that used a library of this machine which Lambda does not have.

    Args:
        layer: Whose call it was.
        target: For the message.
        mapped: The libraries in its process.
        allowed: Folders of the layers, of the runtime's packages and of Python.

    Raises:
        LayerBuildError: naming the library, and the packages that speak of it.
    """
    folders = tuple(f"{os.path.realpath(path)}{os.sep}" for path in allowed)
    strange = {
        name: path
        for path in mapped
        if not path.startswith(folders)
        and not PROVIDED.fullmatch(name := path.rpartition("/")[2])
        and not _OF_PYTHON.fullmatch(name)
    }
    if not strange:
        return
    # What a package asked for has brought libraries of its own: they are no help to whoever reads this.
    speaking = _speaking_of(allowed, list(strange))
    name = next((name for name in strange if name in speaking), next(iter(strange)))
    whose = f" (package {', '.join(speaking[name])})" if name in speaking else ""
    raise LayerBuildError(
        f"the smoke call of layer {layer.name} for {target} loaded {strange[name]} of this machine{whose}, and Lambda "
        f"has no {name}: it would fail there. Require a build of the package that brings its libraries along "
        "(for example `psycopg[binary]`, `opencv-python-headless`)"
    )


def _speaking_of(trees: Sequence[Path], libraries: Sequence[str]) -> dict[str, list[str]]:
    """Library → the packages of which a file names it; without those that none does."""
    words = {library: _names(library.partition(".so")[0]) for library in libraries}
    found: dict[str, list[str]] = {}
    for python in (tree / PYTHON for tree in trees if (tree / PYTHON).is_dir()):
        for package in packages(python):
            named = _named(words, [python / file for file in package.files if file.endswith((".py", ".so"))])
            for library in named:
                found.setdefault(library, []).append(str(package))
    return found


def _names(stem: str) -> tuple[bytes, ...]:
    """How code speaks of a library: by its name, or as `ctypes.util.find_library` takes it."""
    short = stem.removeprefix("lib")
    return stem.encode(), f'"{short}"'.encode(), f"'{short}'".encode()


def _named(words: Mapping[str, Sequence[bytes]], paths: Sequence[Path]) -> list[str]:
    named: set[str] = set()
    for path in paths:
        data = path.read_bytes() if path.is_file() else b""
        named |= {library for library, names in words.items() if any(name in data for name in names)}
    return [library for library in words if library in named]
