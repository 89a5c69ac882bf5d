"""What of the installed packages a layer can do without."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_INSTALLERS_OWN = {"direct_url.json", "uv_cache.json", "uv_build.json", "INSTALLER", "REQUESTED"}
_INSTALLED = ("bin/", "include/", "share/man/", "share/doc/")
_TEST_FOLDER = re.compile(r"(?<=/)tests?/")
_TESTS = re.compile(rb"\btests?\b")
_USELESS = re.compile(r".*\.(pyc|pyo|c|cc|cpp|h|hpp|pxd|pyx|pxi|a|la|lib|f|f90)")

ImportsOf = Callable[[Sequence[str]], Mapping[str, Sequence[str] | None]]
"""Modules → what each imports, as paths below python/; None for one that is not Python for the target."""


def prune(
    python: Path, files: Sequence[str], imports_of: ImportsOf, mentioning: Collection[str], keep: Sequence[str] = ()
) -> list[str]:
    """Delete what a function never uses or what differs between machines; say what went.

    Deleted: `.lock` and `bin/` (scripts hold the host's paths), the installer's own notes, bytecode that came along,
    sources and headers of compiled code, and folders of tests that nothing else in the layer imports.

    Args:
        python: The folder of packages.
        files: What is in it.
        imports_of: Reads modules, by their paths below it, as the target's Python does: this process's may be of
            another version, which takes other code for Python.
        mentioning: Those of the modules that say `test` or `tests`.
        keep: Globs of files that stay.

    Raises:
        LayerBuildError: a glob of `keep` matches nothing.
    """
    kept = _matching(files, keep, "keep")
    useless = {file for file in files if _is_useless(file)}
    left = [file for file in files if file not in useless]
    tests = tuple(f"{folder}/" for folder in _unused_tests(python, left, imports_of, mentioning))
    useless.update(file for file in left if file.startswith(tests))
    _unlink(python, useless - kept)
    return sorted(useless - kept - {".lock"})


def drop(python: Path, files: Sequence[str], globs: Sequence[str]) -> list[str]:
    """Delete what layer.toml names of the files below a folder, and say what went.

    Raises:
        LayerBuildError: a glob matches nothing, so the package has changed since it was written.
    """
    gone = _matching(files, globs, "drop")
    _unlink(python, gone)
    return sorted(gone)


def may_go(files: Iterable[str], dropped: Sequence[str]) -> set[str]:
    """Those of a wheel's files that pruning deletes, or may delete; `dropped` are globs of layer.toml."""
    patterns = [_glob(glob) for glob in dropped]
    return {
        file
        for file in files
        if _is_useless(file) or _TEST_FOLDER.search(file) or any(pattern.fullmatch(file) for pattern in patterns)
    }


def _matching(files: Sequence[str], globs: Sequence[str], key: str) -> set[str]:
    found: set[str] = set()
    for glob in globs:
        pattern = _glob(glob)
        some = [file for file in files if pattern.fullmatch(file)]
        if not some:
            raise LayerBuildError(
                f"`{key}` in layer.toml names {glob!r}, and no file is there any more: see what the package has instead"
            )
        found.update(some)
    return found


def _glob(glob: str) -> re.Pattern[str]:
    """`*` within a name, `**` across folders. pathlib's `**` means other files in 3.11 than in 3.13."""
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", glob)))


def _is_useless(file: str) -> bool:
    folder, _, name = file.rpartition("/")
    left_by_installer = is_installers_own(file) or name == ".lock" or file.startswith(_INSTALLED)
    return left_by_installer or "__pycache__" in folder.split("/") or bool(_USELESS.fullmatch(name))


def is_installers_own(file: str) -> bool:
    """Whether it is a note of the installer's about one installation, with paths of the machine in it."""
    folder, _, name = file.rpartition("/")
    return name in _INSTALLERS_OWN and folder.endswith(".dist-info")


def _unlink(python: Path, files: Iterable[str]) -> None:
    """Delete files, and the folders that are empty then."""
    folders: set[str] = set()
    for file in files:
        (python / file).unlink()
        folder = file.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for folder in sorted(folders, reverse=True):  # what is inside of a folder comes before it
        with suppress(OSError):
            (python / folder).rmdir()


def _unused_tests(python: Path, files: Sequence[str], imports_of: ImportsOf, mentioning: Collection[str]) -> list[str]:
    """Folders named `test` or `tests` inside a package that no module outside of them imports.

    `numpy.testing` is what such imports are for: deleting `numpy/_core/tests` breaks it. A module that does not parse
    may import any that its package has.
    """
    folders = {file[: found.end() - 1] for file in files for found in _TEST_FOLDER.finditer(file)}
    tops = {folder.partition("/")[0] for folder in folders}
    left = {file for file in set(mentioning).intersection(files) if tops and _is_near(python / file, file, tops)}
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


def mentions_tests(path: Path) -> bool:
    """Whether a module says `test` or `tests` anywhere: the others import none."""
    return bool(_TESTS.search(path.read_bytes()))


def _is_near(path: Path, file: str, tops: Iterable[str]) -> bool:
    """Whether a module is worth parsing: it is in a package that has tests, or names one."""
    if file.partition("/")[0] in tops:
        return True
    data = path.read_bytes()
    return any(top.encode() in data for top in tops)
