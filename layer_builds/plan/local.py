"""Packages of this repository that a layer holds (`local` in layer.toml), from `packages/<name>/` beside the builder.

Such a folder has a pyproject.toml with a static name and version, and its modules in `src/` or beside it. What is in
the layer is what `pip install` would give, metadata included, made from the files alone: no build backend runs, so a
preview knows the bytes. Native code and dynamic versions need a wheel of their own.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.names import is_plain_path, normal_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LEFT_OUT = re.compile(r"__pycache__|.*\.(pyc|pyo|egg-info|egg-link|dist-info)|__editable__.*|\..*")
"""What a checkout has beside the package: bytecode, what editable installs leave, hidden files."""
_NATIVE = (".so", ".pyd", ".pyx", ".c", ".cpp", ".rs")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_]*")


@dataclass(frozen=True, slots=True)
class LocalPackage:
    """A package as it is in a layer."""

    name: str
    """Normalised."""
    version: str
    requires: tuple[str, ...]
    """Its dependencies, as pyproject.toml has them."""
    files: Mapping[str, bytes]
    """Path below python/ → content, metadata included."""

    @property
    def sha256(self) -> str:
        """Of all its files."""
        digest = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            digest.update(f"{path}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return digest.hexdigest()


def load_local(folder: Path) -> LocalPackage:
    """Read one package's folder.

    Raises:
        LayerBuildError: it is not there, or is not a plain package of Python; naming the file and the rule.
    """
    project = _project(folder / "pyproject.toml")
    name, version = normal_name(str(project["name"])), str(project["version"])
    if name != folder.name:
        raise LayerBuildError(f"{folder / 'pyproject.toml'}: `name` is {name}, and its folder is called {folder.name}")
    source = folder / "src" if (folder / "src").is_dir() else folder
    files = _modules(source, flat=source == folder, name=name)
    if not any(path.endswith(".py") for path in files):
        raise LayerBuildError(f"{source}: there is no package `{name.replace('-', '_')}` with a Python file in it")
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files |= {f"{info}/{file}": text.encode() for file, text in _metadata(project, name, version).items()}
    rows = [f"{path},{_recorded(content)},{len(content)}\n" for path, content in sorted(files.items())]
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    return LocalPackage(name, version, tuple(map(str, project.get("dependencies", []))), dict(sorted(files.items())))


def _project(path: Path) -> dict[str, Any]:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    except FileNotFoundError:
        raise LayerBuildError(f"{path.parent} has no pyproject.toml, so it is not a package for `local`") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise LayerBuildError(f"{path}: there is no [project] to read in it ({error})") from None
    for key in ("name", "version"):
        if not isinstance(project.get(key), str):
            raise LayerBuildError(
                f"{path}: `{key}` of [project] has to be written there: a layer's digest is made of it"
            )
    if not _VERSION.fullmatch(project["version"]):
        raise LayerBuildError(f"{path}: `version` is {project['version']!r}, which is not a version")
    return project


def _modules(source: Path, *, flat: bool, name: str) -> dict[str, bytes]:
    """Files of the package: all below `src/`, or of the folder or module of its name."""
    module = name.replace("-", "_")
    files: dict[str, bytes] = {}
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if any(_LEFT_OUT.fullmatch(part) for part in relative.parts):
            continue
        if flat and relative.parts[0] not in {module, f"{module}.py"}:
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise LayerBuildError(f"{path} is a link or a special file: a layer holds ordinary files only")
        if path.suffix in _NATIVE or not is_plain_path(relative.as_posix()):
            raise LayerBuildError(
                f"{path} is not a file for `local`, which is for packages of plain Python: build a wheel of it, and "
                "give its folder in UV_FIND_LINKS"
            )
        if path.is_file():
            content = path.read_bytes()
            # A checkout may have either line ending, and the layer's bytes must not depend on it.
            files[relative.as_posix()] = content if b"\0" in content else content.replace(b"\r\n", b"\n")
    return files


def _metadata(project: dict[str, Any], name: str, version: str) -> dict[str, str]:
    licence = project.get("license")
    # An SPDX expression came with 2.4 of the format: https://peps.python.org/pep-0639/.
    edition = "2.4" if isinstance(licence, str) else "2.1"
    lines = [f"Metadata-Version: {edition}", f"Name: {name}", f"Version: {version}"]
    lines += [f"Summary: {project['description']}"] if project.get("description") else []
    lines += [f"License-Expression: {licence}"] if isinstance(licence, str) else []
    lines += [f"Requires-Python: {project['requires-python']}"] if project.get("requires-python") else []
    lines += [f"Requires-Dist: {one}" for one in project.get("dependencies", [])]
    files = {
        "METADATA": "\n".join(lines) + "\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: strata\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    groups = dict(project.get("entry-points", {}))
    if groups:
        sections = [
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(entries.items()))
            for group, entries in sorted(groups.items())
        ]
        files["entry_points.txt"] = "\n".join(sections)
    return files


def _recorded(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
