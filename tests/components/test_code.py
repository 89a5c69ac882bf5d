"""A function's package: which files, and the same on every machine."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from components.code import REPOSITORY, code_package

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "lambdas/__init__.py": b"",
    "lambdas/worker/__init__.py": b'"""Worker."""\n',
    "lambdas/worker/handler.py": b"def handler(event, context):\n    return event\n",
    "lambdas/worker/adapters/store.py": b"KEY = 'a'\n",
    "lambdas/shared/secrets.py": b"NAME = 'n'\n",
    "lambdas/other/handler.py": b"raise SystemExit\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_a_package_is_the_function_s_files_and_the_shared_ones(repository: Path) -> None:
    package = code_package("worker", repository)
    assert list(package.files) == sorted(set(FILES) - {"lambdas/other/handler.py"})
    assert package.bytes == sum(len(FILES[name]) for name in package.files)


def test_what_running_and_editing_leave_behind_stays_out(repository: Path) -> None:
    before = code_package("worker", repository)
    for name in (
        "lambdas/worker/__pycache__/handler.cpython-313.pyc",
        "lambdas/worker/__pycache__/odd.py",
        "lambdas/worker/.ipynb_checkpoints/handler-checkpoint.py",
        "lambdas/worker/handler.py.orig",
        "lambdas/worker/notes.txt",
        "lambdas/shared/.mypy_cache/x.py",
    ):
        path = repository / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"junk")
    assert code_package("worker", repository) == before


def test_a_checkout_with_crlf_gives_the_same_package(repository: Path) -> None:
    before = code_package("worker", repository)
    for name in before.files:
        path = repository / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert code_package("worker", repository) == before


def test_importing_the_function_changes_no_package(repository: Path) -> None:
    before = code_package("worker", repository)
    command = [sys.executable, "-c", "import lambdas.worker.handler, lambdas.shared.secrets"]
    subprocess.run(command, cwd=repository, check=True, env={"PATH": os.environ["PATH"]})
    assert list(repository.rglob("*.pyc"))
    assert code_package("worker", repository) == before


def test_a_folder_without_code_is_refused(repository: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Python file in lambdas/absent"):
        code_package("absent", repository)


def test_the_archive_holds_text_and_no_path(repository: Path) -> None:
    assets = code_package("worker", repository).archive().assets
    assert {type(asset).__name__ for asset in assets.values()} == {"StringAsset"}


def test_the_repository_is_where_the_program_is() -> None:
    assert (REPOSITORY / "Pulumi.yaml").is_file()
