"""Print the path of a `uv` to use, installing one into `.uv/` first when the machine has none.

Owns the step from "Python and a package index" to "uv". Standard library only: it runs before anything is installed.
pip's own configuration (index, proxy, certificates) is respected, since pip does the download.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".uv"
OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)


def pinned_version() -> str:
    """The uv version in uv.lock, the one that the layer builder uses as well."""
    found = re.search(r'name = "uv"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text())
    if found is None:
        raise SystemExit("uv.lock names no version of uv: run `git checkout uv.lock`")
    return found[1]


def has_version(uv: str, version: str) -> bool:
    """Whether that executable is uv of that version."""
    try:
        run = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return run.returncode == 0 and run.stdout.split()[1:2] == [version]


def install(version: str) -> Path:
    """Install uv with pip, in a virtual environment, or beside one where the machine's Python lacks `ensurepip`."""
    shutil.rmtree(HOME, ignore_errors=True)
    requirement = f"uv=={version}"
    quiet = ["--quiet", "--disable-pip-version-check"]
    made = subprocess.run([sys.executable, "-m", "venv", str(HOME)], capture_output=True, text=True, check=False)
    if made.returncode == 0:
        python = HOME / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        command = [str(python), "-m", "pip", "install", *quiet, requirement]
    else:
        shutil.rmtree(HOME, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(HOME), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"could not install {requirement} with {sys.executable}:\n{done.stderr.strip()[-2000:]}\n"
            "Install uv yourself (https://docs.astral.sh/uv/getting-started/installation/), or pip and venv "
            "(Debian, Ubuntu: apt install python3-venv), and run make again."
        )
    return HOME


def main() -> str:
    """Find or install uv; return its path."""
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        running = ".".join(map(str, sys.version_info[:3]))
        raise SystemExit(
            f"Strata runs on Python 3.{OLDEST_PYTHON[1]} to 3.{NEWEST_PYTHON[1]}, and `{sys.executable}` is {running}: "
            "name another one, for example `make demo PYTHON=python3.13`"
        )
    version = pinned_version()
    executable = "uv.exe" if sys.platform == "win32" else "uv"
    candidates = [str(HOME / "bin" / executable), str(HOME / "Scripts" / executable), shutil.which("uv") or ""]
    for candidate in candidates:
        if candidate and has_version(candidate, version):
            return candidate
    print(f"installing uv {version} into {HOME}", file=sys.stderr)
    return str(
        next(path for path in sorted(install(version).rglob(executable)) if path.parent.name in {"bin", "Scripts"})
    )


if __name__ == "__main__":
    print(main())
