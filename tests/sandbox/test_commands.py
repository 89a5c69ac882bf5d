"""`python -m sandbox` as a user runs it: the demonstration, interruptions, two at once, and elsewhere than on Linux."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from layer_builds.plan import REPOSITORY
from sandbox import container
from sandbox.cloud import read_state, wait_until
from sandbox.demos.embedding import samples
from sandbox.workspace import SandboxError, sweep

pytestmark = [pytest.mark.xdist_group("sandbox-commands"), pytest.mark.slow]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where these commands' sandboxes are: other tests, and a `make up` beside them, sweep a root that they share."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture(autouse=True)
def _everything_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATA_SANDBOX_DIR", str(root))


SYSTEM = "embedding"
"""One of them: what is tried here is the same for all, and one is deployed sooner."""
SEARCH, LOG = "embedding: Search", "embedding: Look at the log"


def launched(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def workspace_of(process: subprocess.Popen[str]) -> Path | None:
    return next(Path(os.environ["STRATA_SANDBOX_DIR"]).glob(f"*-{process.pid}"), None)


def recorded(folder: Path) -> list[dict[str, Any]]:
    try:
        return [json.loads(line) for line in (folder / "processes").read_text().splitlines()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for_processes(process: subprocess.Popen[str], *, at_least: int) -> tuple[Path, list[int]]:
    """The workspace and its processes, once that many were started."""

    def there() -> bool:
        folder = workspace_of(process)
        return folder is not None and len(recorded(folder)) >= at_least

    wait_until(there, f"{at_least} processes", 120, 0.02)
    folder = workspace_of(process)
    assert folder is not None
    return folder, [entry["pid"] for entry in recorded(folder)]


def test_two_demonstrations_side_by_side_both_show_everything() -> None:
    both = [launched("demo", SYSTEM, "--short", "--json") for _ in range(2)]
    for process in both:
        out, errors = process.communicate(timeout=280)
        assert process.returncode == 0, errors
        found = json.loads(out)
        assert found["ok"]
        report = found["systems"]["embedding"]
        assert report["dead_letter_queue"] == [samples.POISON]
        assert report["poison_deliveries"] == 5
        assert all(search["best"] == search["expected"] for search in report["searches"])
        twice = [document for document in report["documents"] if document["deliveries"] == 2]
        assert [document["vectors"] for document in twice] == [1]
        assert workspace_of(process) is None


@pytest.mark.parametrize(("processes", "number"), [(0, signal.SIGINT), (2, signal.SIGTERM), (3, signal.SIGINT)])
def test_an_interruption_at_any_moment_is_clean(processes: int, number: signal.Signals) -> None:
    process = launched("demo", SYSTEM, "--short")
    if processes:
        folder, pids = wait_for_processes(process, at_least=processes)
    else:
        wait_until(lambda: workspace_of(process) is not None, "the workspace", 100, 0.005)
        folder, pids = workspace_of(process) or Path(), []
    process.send_signal(number)
    time.sleep(0.05)
    process.send_signal(number)  # an impatient second one disturbs nothing
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.strip() == "interrupted; everything was stopped and removed"
    assert not folder.exists()
    wait_until(lambda: not any(alive(pid) for pid in pids), "the processes to end")


IMPORTED = (
    "import os, signal, time\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(0.2)\nprint('imported', flush=True)\n"
)
IMPORTS = """
import signal, sys, time
from sandbox.__main__ import _interrupt
sys.path.insert(0, sys.argv[1])
signal.signal(signal.SIGTERM, _interrupt)
try:
    import slow
    time.sleep(100)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interruption_waits_for_the_end_of_an_import(tmp_path: Path) -> None:
    """Cut short between two lines of Python's own it left the lock of all imports taken, and the clean-up hung."""
    (tmp_path / "slow.py").write_text(IMPORTED)
    command = [sys.executable, "-c", IMPORTS, str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=90, check=True)
    assert done.stdout.split() == ["imported", "interrupted"]


def test_after_a_kill_nothing_runs_on_and_the_next_run_removes_the_rest(root: Path) -> None:
    process = launched("demo", SYSTEM, "--short")
    folder, pids = wait_for_processes(process, at_least=3)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(alive(pid) for pid in pids), "the processes to end")
    assert folder.exists()
    sweep(root)
    assert not folder.exists()


@pytest.fixture(scope="module")
def running(root: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRATA_SANDBOX_DIR", str(root))
        process = launched("up", SYSTEM, "--json")
    assert process.stdout is not None
    state = json.loads(process.stdout.readline())
    yield state
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert not (root / "state.json").exists()


def test_up_writes_a_state_file_that_only_the_user_can_read(running: dict[str, Any], root: Path) -> None:
    file = root / "state.json"
    assert file.stat().st_mode & 0o777 == 0o600
    state = read_state(file)
    assert (state["endpoint"], state["outputs"]) == (running["endpoint"], running["outputs"])
    keys = [stand_in["key"] for stand_in in state["stand_ins"].values()]
    assert len(keys) == 2
    assert not any(key in json.dumps(running) for key in keys), "what is printed has no keys"


def test_every_command_that_up_prints_works(running: dict[str, Any]) -> None:
    commands = {title: text for title, text in running["commands"].items() if "aws sqs" not in text}
    sent = [text for title, text in commands.items() if title not in {SEARCH, LOG}]
    for text in sent:
        subprocess.run(["/bin/sh", "-c", text], cwd=REPOSITORY, check=True, capture_output=True, timeout=120)

    def found() -> bool:
        done = subprocess.run(
            ["/bin/sh", "-c", commands[SEARCH]], cwd=REPOSITORY, check=True, capture_output=True, text=True
        )
        return "kettle" in done.stdout

    wait_until(found, "the text to be found", 120, 1)
    shown = subprocess.run(["/bin/sh", "-c", commands[LOG]], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert "batch done" in shown.stdout


@pytest.mark.usefixtures("running")
def test_a_second_up_is_refused_and_leaves_the_first_alone(running: dict[str, Any], root: Path) -> None:
    second = launched("up", "--json")
    out, errors = second.communicate(timeout=120)
    assert (second.returncode, out) == (1, "")
    assert errors.startswith(f"error: `make up` runs here already ({running['name']}, ")
    assert read_state(root / "state.json")["name"] == running["name"]


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sandbox", "send", "embedding", ""), "the queue did not take the message: "),
        (("sandbox", "send", "embedding", "x" * 100_000 + "\x07"), "the queue did not take the message: "),
        (("sandbox", "send", "embedding", b"\xff"), "the text is not UTF-8"),
        (("sandbox", "send", "nonsense", "x"), "no function 'nonsense' with a queue runs here: there is embedding"),
        (("sandbox.demos.embedding", ""), "the search failed: "),
        (("sandbox.demos.embedding", "x", "--count", "0"), "'0' is not a whole number from 1 to 10000"),
    ],
)
def test_what_cannot_be_sent_or_searched_is_said_in_a_line(arguments: tuple[Any, ...], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_reader_is_told_when_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no local cloud is running here: start one with `make up`"):
        read_state(tmp_path / "state.json")
    (tmp_path / "state.json").write_text(json.dumps({"name": "gone-1"}))
    for left in (lambda: None, (tmp_path / "gone-1").mkdir, (tmp_path / "gone-1" / "lock").touch):
        left()
        with pytest.raises(SandboxError, match="ended without cleaning up"):
            read_state(tmp_path / "state.json")


def test_elsewhere_than_on_linux_it_runs_itself_in_a_container_or_says_that_it_needs_docker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert not container.needed()
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert container.needed()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SandboxError, match="needs Docker: start Docker Desktop") as error:
        container.run(["demo"])
    assert "\n" not in str(error.value)
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/calls"\n[ "$1" = run ] && exit 7\nexit 0\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert container.run(["demo", "--short"]) == 7, "its exit code is passed on"
    call = (tmp_path / "calls").read_text().splitlines()[1]
    assert "--rm" in call
    assert f"{REPOSITORY}:/source:ro" in call
    assert call.endswith("sandbox demo --short")


@pytest.mark.parametrize(
    "wrong",
    [
        ("demo", "--nonsense"),
        ("chaos", "embedding", "--messages", "0"),
        ("chaos", "embedding", "--batch-size", "0"),
        ("chaos", "embedding", "--runs", "0"),
        ("chaos", "embedding", "--seed", "x"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(wrong: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "sandbox", *wrong]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: python -m sandbox" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["demo", "up", "chaos"])
def test_an_unknown_system_is_refused_with_the_names_that_there_are(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", command, "nonsense"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"error: there is no .*'nonsense'.*: there is .*embedding", done.stderr)


def test_the_long_sample_is_too_long_and_always_the_same() -> None:
    text = samples.keepers_log()
    assert text == samples.keepers_log()
    assert len(text.split()) > 6_000
    assert text.count("a whale lay stranded") == 1
    assert {question.expected for question in samples.QUESTIONS} <= {entry["id"] for entry in samples.documents()}
