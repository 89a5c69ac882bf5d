"""Finding the Python that compiles and checks a layer, and standing in for what Lambda's runtime adds to it.

Owns the search for a CPython of one exact patch release, and the cached folder with boto3 and awslambdaric. It never
downloads an interpreter: the error says the command that does.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.errors import LayerBuildError
from layer_builds.processes import Log, Processes, clean_environment, find_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from layer_builds.processes import Runner
    from layer_builds.targets import Target

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD_DIR = REPOSITORY / ".build"
"""Archives, logs and caches; ignored by git, safe to delete."""
RUNTIMES_DIR = Path(__file__).resolve().parent / "runtimes"

_PROBE = (
    "import json, platform, sys, sysconfig; print(json.dumps([platform.python_implementation(), "
    "platform.python_version(), bool(sysconfig.get_config_var('Py_GIL_DISABLED')), hasattr(sys, 'gettotalrefcount')]))"
)


@dataclass(frozen=True, slots=True)
class _Probed:
    usable: bool
    version: str


@cache
def find_interpreter(version: str) -> Path:
    """Find a CPython of exactly that version: an ordinary build (neither debug nor free-threaded), of any origin.

    Args:
        version: For example `3.13.0`.

    Returns:
        Its executable. Looked at: this process's own, uv's, pyenv's, PATH.

    Raises:
        LayerBuildError: there is none; with the command that installs it.
    """
    for candidate in _candidates(version):
        probed = _probe(candidate)
        if probed is not None and probed.usable and probed.version == version:
            return candidate
    raise LayerBuildError(
        f"CPython {version}, whose bytecode this layer is built with, is not on this machine: run "
        f"`uv python install {version}` (or `pyenv install {version}`). For a stack that is only run locally, "
        "`compiler: running` (on the command line `--compiler running`) uses the Python that runs this"
    )


def _candidates(version: str) -> Iterator[Path]:
    minor = version.rpartition(".")[0]
    yield Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)
    yield Path(sys.executable)
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR")
    homes = [Path(managed)] if managed else [Path.home() / ".local/share/uv/python"]
    if "XDG_DATA_HOME" in os.environ:
        homes.append(Path(os.environ["XDG_DATA_HOME"]) / "uv/python")
    for home in homes:
        yield from sorted(home.glob(f"cpython-{version}-*/bin/python{minor}"))
        yield from sorted(home.glob(f"cpython-{version}-*/python.exe"))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield pyenv / "versions" / version / "bin" / f"python{minor}"
    for name in (f"python{version}", f"python{minor}", "python3", "python"):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            yield Path(folder or ".") / name


@cache
def _probe(python: Path) -> _Probed | None:
    if not python.is_file():
        return None
    try:
        # A pyenv shim of a version that is not selected exits 127: it is passed over.
        done = subprocess.run(
            [str(python), "-I", "-S", "-c", _PROBE],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=clean_environment(),
        )
        implementation, version, free_threaded, debug = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return _Probed(implementation == "CPython" and not free_threaded and not debug, str(version))


def interpreter_version(python: Path) -> str:
    """The patch version of an interpreter.

    Raises:
        LayerBuildError: it does not run.
    """
    probed = _probe(python)
    if probed is None:
        raise LayerBuildError(f"{python} is not a Python that runs here")
    return probed.version


def runtime_root(python: Path, run: Runner | None = None) -> Path:
    """A folder with what Lambda's runtime has beside the standard library: boto3 and awslambdaric, hash-locked.

    Args:
        python: The interpreter that will import from it.
        run: What starts processes; None is the real one.

    Returns:
        A folder for `sys.path`, below `.build/runtime/`, with bytecode; made on first use and kept.

    Raises:
        LayerBuildError: there is no lock for that minor version, or it cannot be installed.
    """
    minor = interpreter_version(python).rpartition(".")[0]
    install = ("--python", str(python), "--compile-bytecode")
    return _runtime(minor, f"{sys.platform}-{platform.machine()}", install, None, run or Processes(Log()))


def target_runtime_root(target: Target, python: Path, run: Runner) -> Path:
    """The same for a target of another CPU; `python` is of this machine's, and makes the bytecode."""
    install = ("--python", sys.executable, "--only-binary", ":all:")
    install = (*install, "--python-version", target.facts.python, "--python-platform", target.uv_platform)
    return _runtime(target.facts.python, f"lambda-{target.architecture}-compiled", install, python, run)


def compile_folder(python: Path, folder: Path, run: Runner) -> None:
    """Give modules bytecode that stays valid when they are copied. One that does not compile is left as it is."""
    run([str(python), "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-j", "0", str(folder)])


def runtime_lock(minor: str) -> Path:
    """The lock of boto3 and awslambdaric for one minor version."""
    return RUNTIMES_DIR / f"python{minor}.txt"


def _runtime(minor: str, platform_key: str, install: tuple[str, ...], compiler: Path | None, run: Runner) -> Path:
    lock = runtime_lock(minor)
    try:
        text = lock.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LayerBuildError(f"{lock} is missing: run `python -m layer_builds lock` and commit it") from None
    key = hashlib.sha256(f"{minor} {platform_key} {text}".encode()).hexdigest()[:16]
    home = BUILD_DIR / "runtime" / key
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=home.parent))
    try:
        done = run(
            [
                *(find_uv(), "pip", "install", "--quiet", "--target", str(staging), *install),
                *("--require-hashes", "--no-deps", "--link-mode", "copy"),
                *("--requirement", str(lock)),
            ],
            cwd=staging,
        )
        if done.returncode != 0:
            raise LayerBuildError(
                f"cannot install {lock.name} for the runtime's stand-in:\n{done.stderr.strip()[-1500:]}"
            )
        if compiler is not None:
            compile_folder(compiler, staging, run)
        staging.chmod(0o755)  # mkdtemp makes it private, and a sandboxed function may run as somebody else
        try:
            staging.rename(home)
        except OSError:  # another process was quicker: its folder is the same
            if not home.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return home
