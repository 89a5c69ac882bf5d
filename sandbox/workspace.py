"""A sandbox's folder and its processes: recorded when started, gone when the sandbox ends, cleaned up after a crash.

Each sandbox owns `.sandbox/<name>/` and holds a lock on it while it lives; the kernel drops the lock however it ends.
Its processes are recorded there by pid, start time and boot, so a later run can end what a crash left without ever
touching an unrelated process that was given the same pid.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from layer_builds.plan import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

SANDBOX_DIR = Path(os.environ.get("STRATA_SANDBOX_DIR") or REPOSITORY / ".sandbox")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that ask a sandbox to end."""
_LOCK = "lock"
_PROCESSES = "processes"


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, told apart from any later one that gets its pid."""

    pid: int
    started: int
    """Start time in clock ticks since boot (field 22 of /proc/PID/stat)."""
    boot: str
    """Boot and pid namespace in which `pid` means something."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The identity of a running process; None when there is none."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), _boot())

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def kill(self) -> None:
        """SIGKILL to the process and to the group that it leads, if it is still the same one."""
        if not self.alive():
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(self.pid) == self.pid:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)


def _boot() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Generator[bool]:
    """Hold an exclusive lock on `path`; yields False when `wait` is off and another holds it."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def undisturbed() -> Generator[None]:
    """Let the signals that end a sandbox wait until this is over: half a clean-up is none."""
    if threading.current_thread() is not threading.main_thread():  # signals are handled in the main thread only
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def running(folder: Path) -> bool:
    """Whether a workspace's sandbox still lives: it holds its lock, however it would end."""
    if not (folder / _LOCK).exists():
        return False
    with _locked(folder / _LOCK, wait=False) as ours:
        return not ours


class Workspace:
    """The folder of one running sandbox. Use as a context manager."""

    path: Path
    """The folder; known once it is open."""

    def __init__(self, name: str, root: Path = SANDBOX_DIR) -> None:
        """Nothing is made before `open`, or `with`.

        Args:
            name: for people; the folder is `root/name-<pid>`, with a number when that exists.
            root: where it is made.
        """
        self._name = name
        self._root = root
        self._open = False
        self._lock: IO[str] | None = None
        self._children: list[subprocess.Popen[bytes]] = []

    def open(self) -> Workspace:
        """Clean up after crashed sandboxes, then make the folder. `close` is needed also when this is interrupted."""
        self._root.mkdir(parents=True, exist_ok=True)
        with _locked(self._root / "lock", wait=True):
            sweep(self._root)
            self.path = next(p for p in _candidates(self._root, f"{self._name}-{os.getpid()}") if not p.exists())
            self._open = True
            self.path.mkdir(mode=0o700)
            self._lock = (self.path / _LOCK).open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __enter__(self) -> Workspace:
        try:
            return self.open()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def folder(self, name: str) -> Path:
        """A folder inside, made when missing."""
        path = self.path / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def start(
        self, what: str, command: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start one of our own programs; its output goes to `logs/<what>.log`.

        The child must call `end_with_parent`: its standard input closes when this process ends, however it ends.
        It has a session of its own, so Ctrl-C in the terminal reaches only us and the order of stopping is ours.
        """
        with (self.folder("logs") / f"{what}.log").open("ab") as log:
            child = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children.append(child)
        record(self.path, child.pid, what)
        return child

    def log_tail(self, what: str, lines: int = 15) -> str:
        """The last lines of a child's log, for an error message."""
        path = self.path / "logs" / f"{what}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(no log)"

    def close(self) -> None:
        """End every child and remove the folder."""
        if not self._open:
            return
        for child in reversed(self._children):
            stop(child)
        for identity in _recorded(self.path):
            identity.kill()
        remove(self.path)
        if self._lock is not None:
            self._lock.close()
        self._open = False


def _candidates(root: Path, name: str) -> Iterator[Path]:
    yield root / name
    number = 1
    while True:
        number += 1
        yield root / f"{name}-{number}"


def record(folder: Path, pid: int, what: str) -> None:
    """Note a process in the workspace, so that a later run can end it after a crash. Safe from several processes."""
    if (identity := Identity.of(pid)) is not None:
        line = json.dumps({**asdict(identity), "what": what}) + "\n"
        descriptor = os.open(folder / _PROCESSES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def _recorded(folder: Path) -> list[Identity]:
    found: list[Identity] = []
    with contextlib.suppress(OSError):
        for line in (folder / _PROCESSES).read_text().splitlines():
            with contextlib.suppress(ValueError, KeyError):
                entry = json.loads(line)
                found.append(Identity(int(entry["pid"]), int(entry["started"]), str(entry["boot"])))
    return found


def sweep(root: Path = SANDBOX_DIR) -> list[str]:
    """End and remove what sandboxes that no longer run left in `root`; returns their names."""
    swept: list[str] = []
    for folder in sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else ():
        if not (folder / _LOCK).exists() and not (folder / _PROCESSES).exists():
            continue
        with _locked(folder / _LOCK, wait=False) as ours:
            if ours:
                for identity in _recorded(folder):
                    identity.kill()
                remove(folder)
                swept.append(folder.name)
    return swept


def remove(folder: Path) -> None:
    """Remove a folder, also where folders in it are read-only (those of unpacked layers are), or go by themselves."""
    for pause_seconds in (0.0, 0.0, 0.1, 0.1):  # read-only ones go the second time; later, what an ending process wrote
        time.sleep(pause_seconds)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        _make_writable(folder)


def _make_writable(folder: Path) -> None:
    """Folders only: whoever may write to one may remove what is in it. Links are not followed."""
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    for parent, names, _ in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with contextlib.suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)


def stop(child: subprocess.Popen[bytes], grace_seconds: float = 5.0) -> None:
    """Ask a child to end by closing its standard input; kill its group when it does not."""
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
    try:
        child.wait(grace_seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def end_with_parent(then: Callable[[], object] | None = None) -> None:
    """In a child: when the parent closes our standard input or dies, call `then`, or exit at once without it."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        if then is None:
            os._exit(0)
        then()

    threading.Thread(target=watch, name="parent", daemon=True).start()
