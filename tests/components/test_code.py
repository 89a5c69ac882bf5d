"""A function's package: which files, and the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from components.code_package import REVISION_FILE, code_package

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "lambdas/__init__.py": b"",
    "lambdas/worker/__init__.py": b'"""Worker."""\n',
    "lambdas/worker/handler.py": b"def handler(event, context):\n    return event\n",
    "lambdas/worker/adapters/store.py": b"KEY = 'a'\n",
    "lambdas/worker/page/index.html": b"<!doctype html>\n",
    "lambdas/worker/page/app.js": "// \u00e9\n".encode(),
    "lambdas/worker/page/style.css": b"body { margin: 0 }\n",
    "lambdas/worker/page/icon.svg": b"<svg/>\n",
    "lambdas/shared/secret.py": b"NAME = 'n'\n",
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


def test_a_page_alone_is_no_function(repository: Path) -> None:
    path = repository / "lambdas" / "static" / "index.html"
    path.parent.mkdir()
    path.write_bytes(b"<!doctype html>\n")
    with pytest.raises(FileNotFoundError, match="no Python file in lambdas/static"):
        code_package("static", repository)


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


def test_a_folder_without_code_is_refused(repository: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Python file in lambdas/absent"):
        code_package("absent", repository)


def test_the_archive_holds_text_and_no_path(repository: Path) -> None:
    assets = code_package("worker", repository).archive({}).assets
    assert {type(asset).__name__ for asset in assets.values()} == {"StringAsset"}


def test_the_archive_differs_with_what_it_is_published_with(repository: Path) -> None:
    package = code_package("worker", repository)

    def revision(**configuration: object) -> str:
        assets = cast("dict[str, Any]", package.archive(configuration).assets)
        return assets[REVISION_FILE].text

    assert revision(memory_size=128, timeout=3) == revision(timeout=3, memory_size=128)
    assert revision(memory_size=128) != revision(memory_size=256)
    assert "128" not in revision(memory_size=128), "a digest, not the values"
