"""Nothing of a sandbox outlives it, and a crash's leftovers do not disturb the next one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from layer_builds.plan import REPOSITORY
from sandbox.cloud import wait_until
from sandbox.workspace import Identity, Workspace, record, remove, running, stop, sweep, undisturbed

PATIENT = "import sys; sys.path.insert(0, {!r})\n"
CHILD = (
    PATIENT.format(str(REPOSITORY)) + "from sandbox.workspace import end_with_parent; end_with_parent()\n"
    "import time; print('ready', flush=True); time.sleep(600)"
)


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The folder of a sandbox whose process is gone, without any clean-up."""
    script = PATIENT.format(str(REPOSITORY)) + (
        "import os; from pathlib import Path; from sandbox.workspace import Workspace\n"
        f"w = Workspace('crash', Path({str(tmp_path)!r})).open(); (w.folder('x') / 'file').write_text('x')\n"
        "print(w.path, flush=True); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    folder = Path(done.stdout.strip())
    assert folder.is_dir()
    return folder


def test_what_a_crash_left_is_ended_and_removed_by_the_next_run(tmp_path: Path, crashed: Path) -> None:
    left = sleeper()
    record(crashed, left.pid, "left over")
    with Workspace("next", tmp_path) as workspace:
        assert not crashed.exists()
        assert left.wait(60) == -signal.SIGKILL
        assert workspace.path.is_dir()
    assert not workspace.path.exists()


def test_another_process_that_was_given_the_same_pid_is_left_alone(tmp_path: Path, crashed: Path) -> None:
    other = sleeper()
    identity = Identity.of(other.pid)
    assert identity is not None
    entry = {"pid": other.pid, "started": identity.started - 1, "boot": identity.boot, "what": "long gone"}
    (crashed / "processes").write_text(json.dumps(entry) + "\nnot json\n")
    assert sweep(tmp_path) == [crashed.name]
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_sandbox_that_still_runs_is_left_alone(tmp_path: Path) -> None:
    with Workspace("one", tmp_path) as one, Workspace("one", tmp_path) as two:
        child = one.start("child", [sys.executable, "-c", CHILD], os.environ)
        assert one.path != two.path
        assert sweep(tmp_path) == []
        assert child.poll() is None
        assert one.path.is_dir()


def test_an_interruption_while_the_folder_is_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = iter([fcntl.flock])  # the root's; the folder's own comes next

    def interrupted(*arguments: Any) -> None:
        for lock in locks:
            return lock(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(fcntl, "flock", interrupted)
    with pytest.raises(KeyboardInterrupt), Workspace("one", tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_signal_during_the_clean_up_waits_for_its_end() -> None:
    done: list[str] = []

    def clean_up() -> None:
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append("cleaned up")
        done.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        clean_up()
    assert done == ["cleaned up"]


def test_only_a_sandbox_that_lives_is_running(tmp_path: Path, crashed: Path) -> None:
    assert not running(crashed)
    assert not running(tmp_path / "nowhere")
    with Workspace("one", tmp_path) as workspace:
        assert running(workspace.path)
    assert not running(workspace.path)


def test_folders_that_are_no_sandboxes_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert sweep(tmp_path) == []
    assert (tmp_path / "mine").is_dir()


def test_read_only_files_and_folders_are_removed_too(tmp_path: Path) -> None:
    with Workspace("one", tmp_path) as workspace:
        deep = workspace.folder("layers") / "python"
        deep.mkdir()
        (deep / "module.py").write_text("")
        (deep / "module.py").chmod(0o444)
        deep.chmod(0o555)
    assert not workspace.path.exists()


def test_closing_ends_children_in_reverse_order_and_a_stubborn_one_by_force(tmp_path: Path) -> None:
    stubborn = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.PIPE, start_new_session=True
    )
    started = time.monotonic()
    stop(stubborn, grace_seconds=0.2)
    assert stubborn.returncode == -signal.SIGKILL
    assert time.monotonic() - started < 60
    with Workspace("one", tmp_path) as workspace:
        child = workspace.start("child", [sys.executable, "-c", CHILD], os.environ)
        wait_until(lambda: "ready" in workspace.log_tail("child"), "the child")
    assert child.returncode == 0


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = PATIENT.format(str(REPOSITORY)) + (
        "import os, sys, time; from pathlib import Path; from sandbox.workspace import Workspace\n"
        f"w = Workspace('parent', Path({str(tmp_path)!r})).open()\n"
        f"c = w.start('child', [sys.executable, '-c', {CHILD!r}], os.environ)\n"
        "print(c.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    log = next(tmp_path.glob("parent-*")) / "logs" / "child.log"
    wait_until(lambda: log.exists() and "ready" in log.read_text(), "the child")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: Identity.of(child) is None, "the child to end")


def test_a_process_that_has_ended_has_no_identity() -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert Identity.of(done.pid) is None
    assert Identity.of(os.getpid()) == Identity.of(os.getpid())


def test_what_a_folder_is_in_keeps_its_mode_when_the_folder_does_not_go_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that swept the same folder of /tmp left /tmp open to its owner alone."""
    folder = tmp_path / "shared" / "swept"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o1777)
    removed = os.rmdir
    failures = [OSError("another process was quicker")]

    def busy(path: Any, **rest: Any) -> None:
        if failures:
            raise failures.pop()
        removed(path, **rest)

    monkeypatch.setattr(os, "rmdir", busy)
    remove(folder)
    assert not folder.exists()
    assert folder.parent.stat().st_mode & 0o7777 == 0o1777


def test_folders_that_nobody_may_open_are_removed_by_whom_they_belong_to() -> None:
    """By a user without root's rights, as which a read-only folder is one."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            if os.geteuid() == 0:
                os.seteuid(65534)
            folder = Path(tempfile.mkdtemp(prefix="strata-test-"))
            deep = folder / "layers" / "python" / "package"
            deep.mkdir(parents=True)
            (deep / "module.py").write_text("")
            for each in (deep, deep.parent, deep.parent.parent):
                each.chmod(0o000)
            remove(folder)
            os._exit(0 if not folder.exists() else 3)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_several_may_remove_the_same_folder_at_once(tmp_path: Path) -> None:
    """What goes while one looks at it is no error: a sweep ended with a traceback there."""
    for turn in range(10):
        folder = tmp_path / str(turn)
        for number in range(20):
            (folder / f"{number}/a/b").mkdir(parents=True)
            (folder / f"{number}/a/b/c.txt").write_text("")
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(remove, [folder] * 6)) == [None] * 6
        assert not folder.exists()
