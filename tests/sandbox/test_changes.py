"""A running cloud notices that its functions' code was changed, and says so once."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from sandbox.changes import Changes
from sandbox.up import RESTART, tell

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("deployed", "other", "shared"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "handler.py").write_text("x = 1\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    """As an editor does, at another time."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    os.utime(path, ns=(before + 1_000, before + 1_000))


def test_a_change_is_told_once_and_the_next_one_again(root: Path) -> None:
    changes = Changes(root, ["deployed"])
    assert changes.new() == []
    write(root / "deployed" / "handler.py", "x = 2\n")
    assert changes.new() == ["deployed/handler.py"]
    assert changes.new() == []
    write(root / "deployed" / "handler.py", "x = 3\n")
    assert changes.new() == ["deployed/handler.py"]


def test_what_is_shared_a_new_file_and_a_removed_one_count(root: Path) -> None:
    changes = Changes(root, ["deployed"])
    write(root / "shared" / "handler.py", "x = 2\n")
    write(root / "deployed" / "more.js", "y = 1\n")
    (root / "deployed" / "handler.py").unlink()
    assert changes.new() == ["deployed/handler.py", "deployed/more.js", "shared/handler.py"]


def test_what_changes_nothing_that_is_deployed_is_not_told(root: Path) -> None:
    changes = Changes(root, ["deployed"])
    write(root / "deployed" / "handler.py", "x = 1\n")  # touched only
    write(root / "other" / "handler.py", "x = 2\n")
    (root / "deployed" / "notes.txt").write_text("no code")
    (root / "deployed" / ".#handler.py").symlink_to("nobody@nowhere")  # as an editor leaves while a file is open
    assert changes.new() == []


def test_it_is_said_with_the_names_and_what_to_do(root: Path) -> None:
    screen = Console(file=io.StringIO(), width=400)
    changes = Changes(root, ["deployed"])
    tell(screen, changes)
    write(root / "deployed" / "handler.py", "x = 2\n")
    tell(screen, changes)
    assert isinstance(screen.file, io.StringIO)
    assert screen.file.getvalue() == f"Changed: lambdas/deployed/handler.py. {RESTART}\n"
    assert "`make up`" in RESTART


def test_a_change_taken_back_is_not_told(root: Path) -> None:
    changes = Changes(root, ["deployed"])
    write(root / "deployed" / "handler.py", "x = 2\n")
    assert changes.new()
    write(root / "deployed" / "handler.py", "x = 1\n")
    assert changes.new() == []
