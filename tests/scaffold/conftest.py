"""A copy of the repository for what writes into one."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from scripts import staging

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository, shared by the tests of a file."""
    return copied(tmp_path_factory.mktemp("copy") / "repository")


@pytest.fixture
def own_copy(tmp_path: Path) -> Path:
    """The repository, for one test."""
    return copied(tmp_path / "repository")


def copied(target: Path) -> Path:
    with staging.stage() as stage:
        shutil.copytree(stage.path, target, symlinks=True)
    return target
