"""Nothing half-written: whatever goes wrong, and whoever else writes, the repository is as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.plan import LayerBuildError
from scripts import staging
from scripts.scaffold.__main__ import main
from scripts.staging import ROOT, Stage, StagingError, contents, stage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository."""
    root = tmp_path / "root"
    for path, text in {
        "a.txt": "a",
        "b/c.txt": "c",
        "b/__pycache__/c.pyc": "compiled",
        "b/__pycache__/c.pyc.123": "being compiled",
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


def test_what_tools_leave_is_not_taken_over(root: Path) -> None:
    with stage(root) as copy:
        assert set(contents(copy.path)) == {"a.txt", "b/c.txt"}
        assert [path.name for path in (copy.path / "b/__pycache__").iterdir()] == ["c.pyc"], "commands start sooner"
        (copy.path / "b/__pycache__/d.pyc").write_text("")
        assert copy.apply() == ([], [])
        assert (copy.path / ".venv/y").read_text() == "y", "the environment is there, as a link"


def test_a_repository_that_cannot_be_copied_is_said_by_its_first_file_with_the_room_that_is_left(root: Path) -> None:
    """shutil tells of a full disk with a list of every file, and without a number."""
    (root / "b/gone.txt").symlink_to("nowhere")
    (root / "gone.txt").symlink_to("nowhere")
    with pytest.raises(LayerBuildError) as caught, stage(root):
        pass
    said = str(caught.value)
    assert said.startswith("copying the repository failed: [Errno 2] No such file or directory (")
    assert said.count("gone.txt") == 1
    assert "MB free in" in said
    assert "let TMPDIR name a larger disk" in said


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


def test_an_error_names_the_repositorys_paths_and_not_the_copys(root: Path) -> None:
    def breaks() -> None:
        with stage(root) as copy:
            (copy.path / "broken.py").write_text("raise ValueError")
            copy.python("broken", what="try")

    with pytest.raises(StagingError, match=r'(?s)`python -m broken` failed:\n.*File "broken\.py"'):
        breaks()


COMMAND = """
import sys, tempfile, time
from pathlib import Path

with tempfile.TemporaryDirectory(prefix="strata-lock-") as folder:
    tree = Path(folder) / "tree"
    tree.mkdir()
    (tree / "file").write_text("")
    tree.chmod(0o555)
    try:
        print("begun", file=sys.stderr, flush=True)
        while True:  # of one long sleep: Python 3.14 sees a signal that comes just before it when it is over
            time.sleep(0.05)
    except KeyboardInterrupt:
        time.sleep(float(sys.argv[1]))
        print("ended by itself", file=sys.stderr, flush=True)
"""
"""Leaves a temporary tree, and takes its time when it is stopped."""
STAGED = """
import sys
from pathlib import Path
from layer_builds.plan import LayerBuildError
from scripts import staging

def run():
    with staging.stage(Path(sys.argv[1])) as copy:
        copy.python("command", sys.argv[2], what="wait", shown=True)
    return 0

staging.MOMENT_SECONDS = float(sys.argv[3])
sys.exit(staging.in_words(run, kept="nothing was written"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is a signal to a process group")
@pytest.mark.parametrize(
    ("seconds", "moment", "said"),
    [
        (0.1, 60, ["begun", "ended by itself", "stopped; nothing was written"]),
        (60, 0.5, ["begun", "stopped; nothing was written"]),
    ],
)
def test_ctrl_c_leaves_no_temporary_tree_of_a_command(
    root: Path, tmp_path: Path, seconds: float, moment: float, said: list[str]
) -> None:
    (root / "command.py").write_text(COMMAND)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", STAGED, str(root), str(seconds), str(moment)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert list(temporary.rglob("tree/file"))
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=50)
    assert [first, *rest.splitlines(keepends=True)] == [f"{line}\n" for line in said]
    assert process.returncode == 130
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "late", "arguments", "kept"),
    [
        ("scripts.scaffold", "components", ["layer", "fine"], "nothing was written"),
        ("scripts.scaffold", "scripts.scaffold.functions", ["function", "fine"], "nothing was written"),
        ("scripts.upgrade", "rich", ["openai"], "locks and manifests are as they were"),
    ],
)
def test_ctrl_c_while_it_is_still_importing_is_the_same_line(
    module: str, late: str, arguments: list[str], kept: str
) -> None:
    code = f"""
import runpy, sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {late!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Stop())
sys.argv[1:] = {arguments!r}
runpy.run_module({module!r}, run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, f"stopped; {kept}\n")


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
            "AFTER names 'none', and there is no such layer; there are ",
        ),
        (["layer", "fine", "--after", "openai-pinecone"], "REQUIREMENTS is empty"),
        (["layer", "fine", "--requirement", "x @ https://example.com/x.whl"], "is an address or a path"),
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
