"""Nothing half-written: whatever goes wrong, and whoever else writes, the repository is as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scripts import staging
from scripts.scaffold.__main__ import main
from scripts.staging import Stage, StagingError, contents, stage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository."""
    root = tmp_path / "root"
    for path, text in {
        "a.txt": "a",
        "b/c.txt": "c",
        "b/__pycache__/x.pyc": "x",
        ".venv/y": "y",
        "z_cache/z": "z",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_new_and_changed_files_are_taken_over_and_named(root: Path) -> None:
    with stage(root) as copy:
        copy.write("new/deep/file.txt", "new")
        copy.edit("a.txt", "changed")
        copy.edit("b/c.txt", "c")
        assert (root / "a.txt").read_text() == "a", "not before the end"
        assert copy.apply() == (["new/deep/file.txt"], ["a.txt"])
    assert (root / "new/deep/file.txt").read_text() == "new"
    assert (root / "a.txt").read_text() == "changed"
    assert not copy.path.exists()


def test_what_tools_leave_is_neither_copied_nor_taken_over(root: Path) -> None:
    with stage(root) as copy:
        assert set(contents(copy.path)) == {"a.txt", "b/c.txt"}
        (copy.path / "b/__pycache__").mkdir()
        (copy.path / "b/__pycache__/d.pyc").write_text("")
        assert copy.apply() == ([], [])
        assert (copy.path / ".venv/y").read_text() == "y", "the environment is there, as a link"


def test_an_existing_file_is_never_overwritten(root: Path) -> None:
    with (
        stage(root) as copy,
        pytest.raises(StagingError, match=r"b/c\.txt is there already, and nothing is overwritten"),
    ):
        copy.write("b/c.txt", "mine")


def test_what_somebody_changed_meanwhile_stops_it(root: Path) -> None:
    with stage(root) as copy:
        copy.edit("a.txt", "mine")
        copy.write("new.txt", "mine")
        (root / "a.txt").write_text("theirs")
        with pytest.raises(StagingError, match=r"a\.txt was changed by somebody meanwhile"):
            copy.apply()
    assert contents(root) == {"a.txt": b"theirs", "b/c.txt": b"c"}


def test_a_file_that_appeared_meanwhile_stops_it(root: Path) -> None:
    with stage(root) as copy:
        copy.write("new.txt", "mine")
        (root / "new.txt").write_text("theirs")
        with pytest.raises(StagingError, match=r"new\.txt was changed by somebody meanwhile"):
            copy.apply()
    assert (root / "new.txt").read_text() == "theirs"


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_half_way_puts_everything_back(
    root: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    replace, left = staging._replace, [2]

    def failing(path: Path, data: bytes) -> None:
        left[0] -= 1
        if left[0] == -1:
            raise failure
        replace(path, data)

    before = contents(root)
    monkeypatch.setattr(staging, "_replace", failing)
    with stage(root) as copy:
        copy.edit("a.txt", "changed")
        copy.write("new/one.txt", "1")
        copy.write("new/two.txt", "2")
        with pytest.raises(type(failure)):
            copy.apply()
    assert contents(root) == before
    assert not (root / "new").exists()


def test_a_command_that_fails_says_what_it_said(root: Path) -> None:
    with stage(root) as copy:
        (copy.path / "broken.py").write_text("print('first')\nraise SystemExit('because')\n")
        with pytest.raises(
            StagingError, match=r"(?s)could not try: `python -m broken` failed:\nfirst.*because|because.*first"
        ):
            copy.python("broken", what="try")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["function", "Bad.Name", "--trigger", "queue"], "NAME is 'Bad.Name'"),
        (["function", "fine", "--trigger", "queue", "--layer", "none"], "there is no layer 'none'"),
        (
            ["function", "fine", "--trigger", "queue", "--stack", "none"],
            "STACKS names 'none', and there is no Pulumi.none.yaml",
        ),
        (["layer", "Bad"], "NAME is 'Bad'"),
        (
            ["layer", "fine", "--after", "none"],
            "AFTER names 'none', and there is no such layer: there are openai-pinecone",
        ),
        (["layer", "fine", "--after", "openai-pinecone"], "REQUIREMENTS is empty"),
        (["layer", "fine", "--requirement", "x @ https://example.com/x.whl"], "is not a plain requirement"),
    ],
)
def test_an_error_is_one_message_and_writes_nothing(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Stage) -> Any:
        raise AssertionError("it was about to write")

    monkeypatch.setattr(Stage, "apply", never)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.endswith("Nothing was written.\n")
    assert "Traceback" not in error
