"""What the command lines say in a shell without the environment: what to do, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from layer_builds.command import without_environment
from layer_builds.plan import REPOSITORY


@pytest.mark.parametrize(
    "command",
    [
        ["layer_builds", "report", "openai-pinecone"],
        ["ops", "doctor", "--stack", "dev"],
        ["sandbox", "demo"],
        ["scripts.upgrade", "openai"],
    ],
    ids=lambda command: command[0],
)
def test_without_the_environment_a_command_says_how_to_make_it(command: list[str]) -> None:
    names = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    # -S: a Python with nothing but its standard library.
    done = subprocess.run(
        [sys.executable, "-S", "-m", *command],
        cwd=REPOSITORY,
        env=names,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "run `make env` once, then `source .venv/bin/activate`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_module_of_ours_that_is_missing_is_a_bug_and_keeps_its_traceback() -> None:
    error = ModuleNotFoundError("No module named 'ops.gone'", name="ops.gone")
    with pytest.raises(ModuleNotFoundError):
        without_environment(error)
