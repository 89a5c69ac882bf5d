"""From "Python and a package index" to the project's environment, on a machine where nothing was set up before.

    python3 -m scripts.bootstrap sync GROUP     what uv.lock pins, into .venv; uv itself first, where it is not there
    python3 -m scripts.bootstrap run ARGUMENT…  the environment's Python, in a process that fetches as `sync` did

Owns the check that this Python will do, and holds nothing that an old one cannot parse; environment.py does the rest.
"""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def check_python() -> None:
    """Refuse a Python that the project does not run on, naming one that is here.

    Raises:
        SystemExit: with the command that uses another one.
    """
    oldest, newest = supported()
    if (3, oldest) <= sys.version_info[:2] <= (3, newest):
        return
    names = [f"python3.{minor}" for minor in range(newest, oldest - 1, -1)]
    other = next((name for name in names if runs(name)), None)
    remedy = f"`make … PYTHON={other}` uses one that is here" if other else "name another one: `make … PYTHON=…`"
    raise SystemExit(
        f"Strata runs on Python 3.{oldest} to 3.{newest}, and {sys.executable} is {platform.python_version()}: {remedy}"
    )


def supported() -> "tuple[int, int]":
    """Oldest and newest minor version, as pyproject.toml has them."""
    text = PROJECT.read_text(encoding="utf-8")
    found = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("pyproject.toml has no `requires-python` of its old form: run `git checkout pyproject.toml`")
    return int(found.group(1)), int(found.group(2)) - 1


def runs(name: str) -> bool:
    """Whether there is such a Python; a pyenv shim of a version that is not selected is none."""
    return shutil.which(name) is not None and subprocess.call([name, "-c", ""], stderr=subprocess.DEVNULL) == 0


if __name__ == "__main__":
    check_python()
    from scripts import environment  # only now: an old Python cannot parse it

    environment.main(sys.argv[1:])
