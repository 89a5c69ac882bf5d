"""A copy of the repository in which a command works, and whose changes are taken over only when all of it went well.

Owns the copy, the commands that run in it, and the taking over: what others changed meanwhile is never overwritten, and
an error half way puts everything back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.command import without_environment
from layer_builds.host.disk import disk_errors
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = frozenset({".git", ".venv", ".uv", ".build", ".sandbox", "node_modules"})
"""Not copied; nor is any folder whose name ends in `_cache`, nor .hypothesis."""
COMPILED = "__pycache__"
"""Copied, as the commands start sooner with it, and never taken over."""
LINKED = (".venv", ".build")
"""The environment, and the cache of built archives, whose names are digests."""
LAST_LINES = 30
MOMENT_SECONDS = 5.0
"""What a command that is stopped gets to end by itself: it stops the programs that it started."""


class StagingError(Exception):
    """The command did not go well; nothing was written."""


def in_words(command: Callable[[], int], *, kept: str) -> int:
    """Run a command line's work, and say what is wrong with it in words.

    Args:
        command: Returns the exit code.
        kept: What an error leaves as it was, for example "nothing was written".

    Returns:
        The command's exit code; 1 after an error, 130 when it was stopped.
    """
    try:
        return command()
    except (StagingError, LayerBuildError) as error:
        print(f"error: {error}\n{kept[0].upper()}{kept[1:]}.", file=sys.stderr)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}\nEverything is as it was.", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(f"error: {without_environment(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"stopped; {kept}", file=sys.stderr)
        return 130
    return 1


class Stage:
    """The copy. Made with `stage`."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.root = root
        self.path = copy
        self.temporary = copy.with_name("temporary")
        """For temporary files of the commands: whatever becomes of one, they go with the copy."""
        self.temporary.mkdir()
        self._before = contents(copy)

    def write(self, path: str, text: str) -> None:
        """Add a file.

        Raises:
            StagingError: there is one already.
        """
        target = self.path / path
        if target.exists():
            raise StagingError(
                f"{path} is there already, and nothing is overwritten: choose another name, or remove it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")

    def edit(self, path: str, text: str) -> None:
        """Give a file that is there another text."""
        (self.path / path).write_text(text, encoding="utf-8", newline="\n")

    def read(self, path: str) -> str:
        """Return a file's text."""
        return (self.path / path).read_text(encoding="utf-8")

    def python(
        self, *arguments: str, what: str, environment: Mapping[str, str] | None = None, shown: bool = False
    ) -> None:
        """Run a Python module in the copy.

        Args:
            arguments: After `python -m`.
            what: What it does, for the error.
            environment: Further variables.
            shown: Let its progress through to stderr.

        Raises:
            StagingError: it failed; with the end of what it said.
        """
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
            "PYTHONPATH": str(self.path),
            "TMPDIR": str(self.temporary),
            **(environment or {}),
        }
        with subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            text=True,
        ) as process:
            output = _output(process)
        if process.returncode != 0:
            said = "\n".join(output.strip().splitlines()[-LAST_LINES:])
            raise StagingError(
                f"could not {what}: `python -m {' '.join(arguments)}` failed"
                f"{' as shown above' if shown and not said else ':'}\n{said}".rstrip()
            )

    def changes(self) -> dict[str, bytes]:
        """Return the files that are new or different, by their path."""
        return {path: data for path, data in contents(self.path).items() if self._before.get(path) != data}

    def apply(self) -> tuple[list[str], list[str]]:
        """Take the changes over into the repository.

        Returns:
            The new files and the changed ones.

        Raises:
            StagingError: somebody changed one of the files meanwhile.
            OSError: a file cannot be written; everything is as before then.
        """
        changes = self.changes()
        for path in changes:
            if _bytes(self.root / path) != self._before.get(path):
                raise StagingError(f"{path} was changed by somebody meanwhile: run the command again")
        undo: list[Path] = []
        try:
            for path, data in changes.items():
                undo.append(self.root / path)
                _replace(self.root / path, data)
        except BaseException:
            for target in reversed(undo):
                self._put_back(target)
            raise
        created = sorted(path for path in changes if path not in self._before)
        return created, sorted(path for path in changes if path in self._before)

    def _put_back(self, target: Path) -> None:
        before = self._before.get(target.relative_to(self.root).as_posix())
        with suppress(OSError):
            if before is not None:
                _replace(target, before)
                return
            target.unlink(missing_ok=True)
            for folder in target.parents:
                if folder == self.root:
                    break
                folder.rmdir()  # stops at the first that is not empty


@contextmanager
def stage(root: Path = ROOT) -> Generator[Stage]:
    """Copy the repository, without what tools leave in it; the copy is removed afterwards.

    Errors name the repository's paths instead of the copy's.
    """
    with tempfile.TemporaryDirectory(prefix="strata-stage-") as folder:
        copy = Path(folder) / "repository"
        with disk_errors("copying the repository", copy.parent):
            shutil.copytree(root, copy, ignore=_not_copied)
        (root / ".build").mkdir(exist_ok=True)
        for name in LINKED:
            if (root / name).exists():
                (copy / name).symlink_to((root / name).resolve(), target_is_directory=True)
        try:
            yield Stage(root, copy)
        except (StagingError, LayerBuildError) as error:
            raise type(error)(str(error).replace(f"{copy}{os.sep}", "")) from None


def contents(root: Path) -> dict[str, bytes]:
    """Return every file of a repository by its path, without what tools leave in it."""
    found: dict[str, bytes] = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name != COMPILED and not _left_out(name)]
        for file in files:
            path = Path(folder) / file
            if not _left_out(file) and path.suffix != ".pyc":
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def report(written: Sequence[str], changed: Sequence[str]) -> str:
    """Return what was taken over, a line a file."""
    return "\n".join([*(f"  new      {path}" for path in written), *(f"  changed  {path}" for path in changed)])


def _output(process: subprocess.Popen[str]) -> str:
    """Wait for a command's end. Ctrl-C stops it as well, and `subprocess.run` would kill it a quarter second later."""
    try:
        return process.communicate()[0]
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired):
            process.wait(MOMENT_SECONDS)
        raise
    finally:
        process.kill()


def _left_out(name: str) -> bool:
    return name in LEFT_OUT or name.endswith("_cache") or name == ".hypothesis"


def _not_copied(folder: str, names: list[str]) -> list[str]:
    if Path(folder).name == COMPILED:  # what somebody compiles just now may be gone before it is copied
        return [name for name in names if not name.endswith(".pyc")]
    return [name for name in names if _left_out(name)]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.new")
    try:
        staged.write_bytes(data)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
