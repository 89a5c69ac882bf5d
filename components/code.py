"""A function's package: an explicit list of our own .py files, at their repository paths.

Owns which files go in and that the same commit gives the same archive on every machine: line endings are normalised,
and nothing that running or testing leaves behind (`__pycache__`, `.pyc`, tool folders) can get in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pulumi

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = "lambdas"
SHARED: Final = "shared"


@dataclass(frozen=True, slots=True)
class CodePackage:
    """The files of one function: repository path → text."""

    files: dict[str, str]

    @property
    def bytes(self) -> int:
        """Unzipped size, which counts towards Lambda's limit together with the layers."""
        return sum(len(text.encode()) for text in self.files.values())

    def archive(self) -> pulumi.AssetArchive:
        """Return the package for Pulumi, as texts: no path of this machine enters the state."""
        return pulumi.AssetArchive({path: pulumi.StringAsset(text) for path, text in self.files.items()})


def code_package(function: str, root: Path = REPOSITORY) -> CodePackage:
    """Read the package of a function: its own folder, `lambdas/shared`, and the `__init__.py` above them.

    Args:
        function: The folder under `lambdas/`, an importable name.
        root: The repository.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no Python file.
    """
    sources = root / SOURCES
    own = _modules(sources / function)
    if not own:
        raise FileNotFoundError(
            f"no Python file in {SOURCES}/{function}: a function's code lives in the folder of its name"
        )
    paths = [sources / "__init__.py", *own, *_modules(sources / SHARED)]
    names = {path.relative_to(root).as_posix(): path for path in paths}
    return CodePackage({name: _text(names[name]) for name in sorted(names)})


def _modules(folder: Path) -> list[Path]:
    """Return the .py files of a folder and its packages, leaving out what tools write."""
    return [
        path
        for path in folder.rglob("*.py")
        if not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    ]


def _text(path: Path) -> str:
    """Return a source file with LF line endings, whatever the checkout made of them."""
    return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
