"""Starting other programs: uv, interpreters, Docker. The one place that does, so tests can put another in its stead.

Everything a program prints goes to the build's log without credentials: index URLs with a password in them are how
private indexes are often configured.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
# What uv may take from its own variables: where packages come from, with which credentials, and how it reaches them.
# Variables that change what is resolved or installed stay out: the command line says that, whole.
_UV_KEPT = re.compile(
    r"UV_(INDEX|INDEX_.*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|KEYRING_PROVIDER|CACHE_DIR|OFFLINE|INSECURE_HOST"
    r"|NATIVE_TLS|SYSTEM_CERTS|HTTP_.*|CONCURRENT_.*|REQUEST_TIMEOUT|NETRC|NO_CONFIG|CONFIG_FILE|PYTHON_INSTALL_DIR"
    r"|PYTHON_INSTALL_MIRROR|PYTHON_DOWNLOADS|PYTHON_DOWNLOADS_JSON_URL|INTERNAL__.*)"
)
# uv's advice names an option that nobody can pass to what starts uv.
_TRUST_HINT = ("the `--system-certs` command-line flag", "`export UV_SYSTEM_CERTS=true`")
_NEVER = re.compile(r"(PYTHON(?!_KEYRING_BACKEND).*|VIRTUAL_ENV|CONDA_PREFIX|__PYVENV_LAUNCHER__)")


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program left."""

    returncode: int
    stdout: str
    stderr: str
    """Both without credentials."""


class Runner(Protocol):
    """Starts a program and waits for it; the real one is `Processes`."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout_seconds: float = 900.0,
    ) -> Completed:
        """Run it. `env` is its whole environment; None is this process's, cleaned."""
        ...


class Log:
    """A build's full log, begun anew; without a path nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("", encoding="utf-8")

    def write(self, text: str) -> None:
        """Add lines."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(text.rstrip("\n") + "\n")


class Processes:
    """The real runner: logs the command, its time and its output, without credentials."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __call__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout_seconds: float = 900.0,
    ) -> Completed:
        """Run a program to its end; one that cannot be started or takes too long is an error naming it."""
        self._log.write(f"$ {redact(' '.join(argv))}")
        started = time.monotonic()
        try:
            done = subprocess.run(
                list(argv),
                cwd=cwd,
                env=dict(clean_environment() if env is None else env),
                input=stdin,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_seconds,
                check=False,
            )
        except FileNotFoundError:
            raise LayerBuildError(f"{argv[0]} is not there, or not on PATH") from None
        except subprocess.TimeoutExpired:
            raise LayerBuildError(
                f"{Path(argv[0]).name} did not end within {timeout_seconds:.0f} s and was stopped"
            ) from None
        completed = Completed(done.returncode, redact(done.stdout), redact(done.stderr).replace(*_TRUST_HINT))
        self._log.write(completed.stdout + completed.stderr)
        self._log.write(f"# exit {done.returncode} after {time.monotonic() - started:.2f} s")
        return completed


def clean_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without what would change a build: virtual environments, PYTHON*, most of UV_*."""
    source = os.environ if environ is None else environ
    kept = {
        name: value
        for name, value in source.items()
        if not _NEVER.fullmatch(name) and (not name.startswith("UV_") or _UV_KEPT.fullmatch(name))
    }
    kept.setdefault("UV_PYTHON_DOWNLOADS", "never")
    return kept


def redact(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Text without credentials: neither `user:password@` in an address nor a password from uv's variables."""
    text = _USERINFO.sub("***@", text)
    for secret in _secrets(os.environ if environ is None else environ):
        text = text.replace(secret, "***")
    return text


def _secrets(environ: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    for name, value in environ.items():
        if not name.startswith(("UV_", "PIP_")):
            continue
        if name.endswith(("_PASSWORD", "_TOKEN")):
            found.add(value)
        for word in re.split(r"[\s,]+", value):
            try:
                password = urlsplit(word.partition("=")[2] if re.match(r"[\w-]+=https?://", word) else word).password
            except ValueError:
                password = None
            if password:
                found |= {password, unquote(password)}
    # A short value would blot out ordinary words; a password that short protects nothing.
    return {secret for secret in found if len(secret) >= 6}  # noqa: PLR2004


def find_uv() -> str:
    """Path of uv: the one that the project pins, else the one on PATH.

    Raises:
        LayerBuildError: there is none.
    """
    executable = "uv.exe" if sys.platform == "win32" else "uv"
    beside = Path(sys.executable).with_name(executable)
    found = str(beside) if beside.is_file() else None
    if found is None:
        try:
            from uv import find_uv_bin

            found = find_uv_bin()
        except (ImportError, FileNotFoundError):
            found = shutil.which("uv")
    if found is None:
        raise LayerBuildError(
            "uv is not there: run `make env`, or see https://docs.astral.sh/uv/getting-started/installation/"
        )
    return found
