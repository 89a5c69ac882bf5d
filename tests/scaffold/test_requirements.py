"""REQUIREMENTS as people write it on make's command line."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from layer_builds.plan import REPOSITORY
from scripts.scaffold.requirements import requirements_in
from scripts.staging import StagingError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("pypdf>=6", ["pypdf>=6"]),
        ("pypdf>=6 openai pydantic<3", ["pypdf>=6", "openai", "pydantic<3"]),
        ("pypdf >=6, <7", ["pypdf >=6, <7"]),
        ("pypdf >=6, <7 openai", ["pypdf >=6, <7", "openai"]),
        ("openai[voice] pypdf [crypto] >= 6", ["openai[voice]", "pypdf [crypto] >= 6"]),
        (
            'tomli; python_version < "3.11" and sys_platform == "linux" six',
            ['tomli; python_version < "3.11" and sys_platform == "linux"', "six"],
        ),
        ("pypdf>=6\nopenai", ["pypdf>=6", "openai"]),
    ],
)
def test_one_text_holds_several_requirements_with_spaces_in_them(text: str, found: list[str]) -> None:
    assert requirements_in(text) == found


def test_a_file_is_named_with_an_at_sign(tmp_path: Path) -> None:
    (tmp_path / "wanted.txt").write_text("pypdf>=6  # pages\nopenai\n")
    assert requirements_in(f"@{tmp_path / 'wanted.txt'}") == ["pypdf>=6  # pages", "openai"]
    with pytest.raises(StagingError, match=r"REQUIREMENTS: .*nothing\.txt could not be read"):
        requirements_in(f"@{tmp_path / 'nothing.txt'}")


@pytest.mark.parametrize(("encoding", "kind"), [("utf-16", "UTF-16"), ("latin-1", "not UTF-8")])
def test_a_file_of_a_windows_editor_is_said_with_the_remedy(tmp_path: Path, encoding: str, kind: str) -> None:
    (tmp_path / "wanted.txt").write_text("pypdf  # für Seiten\n", encoding=encoding)
    with pytest.raises(StagingError, match=rf"REQUIREMENTS: .*wanted\.txt is {kind}, .*save it as UTF-8"):
        requirements_in(f"@{tmp_path / 'wanted.txt'}")


def test_make_hands_the_text_over_whole() -> None:
    done = subprocess.run(
        [
            "make",
            "--no-print-directory",
            "--dry-run",
            "new-layer",
            "NAME=x",
            'REQUIREMENTS=pypdf >=6; python_version < "4"',
        ],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--requirements "${REQUIREMENTS:-}"' in done.stdout
