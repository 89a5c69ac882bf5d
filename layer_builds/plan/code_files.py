"""A function's own files: an explicit list of our modules and of what pages are made of, at their repository paths.

Owns which files go in and that the same commit gives the same files on every machine: line endings are normalised, and
nothing that running or testing leaves behind (`__pycache__`, `.pyc`, tool folders) can get in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from layer_builds.plan.paths import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOURCES = "lambdas"
SHARED = "shared"
MODULES: Final = ".py"
SUFFIXES: Final = (MODULES, ".css", ".html", ".js", ".svg")
"""Of the files that go along: code, and the texts that a function serves as a page. All are text."""


def root_files(handler: str) -> tuple[str, ...]:
    """The files of a function's folder that lie at the root of its package: the handler's, unless it is in `lambdas`.

    Args:
        handler: For example `lambda_function.handler`.
    """
    module = handler.rpartition(".")[0]
    return () if module.startswith(f"{SOURCES}.") else (f"{module}.py",)


def read_code(function: str, root: Path = REPOSITORY, *, at_root: Sequence[str] = ()) -> dict[str, str]:
    """Read the files of a function: its own folder, `lambdas/shared`, and the `__init__.py` above them.

    Args:
        function: The folder under `lambdas/`, an importable name.
        root: The repository.
        at_root: Files of its folder that lie at the root of the package instead: `lambda_function.py`.

    Returns:
        Path in the package → text, sorted by path.

    Raises:
        FileNotFoundError: There is no such folder, or it holds no Python file.
    """
    sources = root / SOURCES
    own = _files(sources / function)
    if not any(path.suffix == MODULES for path in own):
        raise FileNotFoundError(
            f"no Python file in {SOURCES}/{function}: a function's code lives in the folder of its name"
        )
    paths = [sources / "__init__.py", *own, *_files(sources / SHARED)]
    moved = {sources / function / name: name for name in at_root}
    names = {moved.get(path, path.relative_to(root).as_posix()): path for path in paths}
    return {name: _text(names[name]) for name in sorted(names)}


def _files(folder: Path) -> list[Path]:
    """The files of a folder and those in it that go along, without what tools write."""
    return [
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES
        and not any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
    ]


def _text(path: Path) -> str:
    """A source file with LF line endings, whatever the checkout made of them."""
    return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
