"""Finding a Python on this machine, and standing in for what Lambda's runtime adds to it.

Owns the search for a CPython of one patch release, or of any of its minor version, and the cached folder with boto3 and
awslambdaric. Which of them compiles a layer is `compilers.py`'s.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.host.folders import build_dir
from layer_builds.host.probes import probe
from layer_builds.host.processes import Log, Processes, find_uv
from layer_builds.plan import REPOSITORY, LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from layer_builds.host.processes import Runner
    from layer_builds.plan import Runtime, Target

RUNTIMES_DIR = REPOSITORY / "layer_builds" / "runtimes"


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
    found = next((python for python in _candidates(_minor(version), version) if _usable(python) == version), None)
    if found is None:
        raise LayerBuildError(
            f"CPython {version}, whose bytecode this layer is built with, is not on this machine: run "
            f"`uv python install {version}` (or `pyenv install {version}`). For a stack that is only run locally, "
            "`compiler: running` (on the command line `--compiler running`) uses the Python that runs this"
        )
    return found


def find_others(version: str) -> Mapping[str, Path]:
    """The other releases of a version's minor version that are here, by version, newest first."""
    minor = _minor(version)
    found: dict[str, Path] = {}
    for python in _candidates(minor, f"{minor}.*"):
        other = _usable(python)
        # No preview: its bytecode may be of another kind.
        if other is not None and re.fullmatch(rf"{re.escape(minor)}\.\d+", other) and other != version:
            found.setdefault(other, python)
    return dict(sorted(found.items(), key=lambda item: int(item[0].rpartition(".")[2]), reverse=True))


def find_python(runtime: Runtime) -> Path:
    """Find a CPython that runs a runtime's layers: the pinned release, else the newest of its minor version.

    Raises:
        LayerBuildError: there is none; with the command that installs one.
    """
    with suppress(LayerBuildError):
        return find_interpreter(runtime.compiler)
    found = next(iter(find_others(runtime.compiler).values()), None)
    if found is None:
        raise LayerBuildError(
            f"Python {runtime.python} is not on this machine: run `uv python install {runtime.compiler}`"
        )
    return found


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _usable(python: Path) -> str | None:
    probed = probe(python)
    return probed.version if probed is not None and probed.usable else None


def _candidates(minor: str, version: str) -> Iterator[Path]:
    """Where a Python may be; `version` may be a pattern."""
    if platform.python_version().startswith(f"{minor}."):
        yield Path(getattr(sys, "_base_executable", sys.executable) or sys.executable)
        yield Path(sys.executable)
    managed = os.environ.get("UV_PYTHON_INSTALL_DIR")
    homes = [Path(managed)] if managed else [Path.home() / ".local/share/uv/python"]
    if "XDG_DATA_HOME" in os.environ:
        homes.append(Path(os.environ["XDG_DATA_HOME"]) / "uv/python")
    for home in homes:
        yield from _matching(home, f"cpython-{version}-*/bin/python{minor}")
        yield from _matching(home, f"cpython-{version}-*/python.exe")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from _matching(pyenv, f"versions/{version}/bin/python{minor}")
    yield build_dir() / "python" / "bin" / f"python{minor}"  # from scripts/debian_python.sh
    for name in (f"python{version}", f"python{minor}", "python3", "python"):
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            yield Path(folder or ".") / name


def _matching(folder: Path, pattern: str) -> list[Path]:
    """What is there; nothing of a folder that this user may not read: `su` keeps variables of somebody else's home."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def interpreter_version(python: Path) -> str:
    """The patch version of an interpreter.

    Raises:
        LayerBuildError: it does not run.
    """
    probed = probe(python)
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
    minor = _minor(interpreter_version(python))
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
    home = build_dir() / "runtime" / key
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
