"""A new function by the README's words: linted, typed, tested and, on the local cloud, run as it was written."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from scripts.scaffold.functions import new_function
from scripts.scaffold.names import longest_function_name
from scripts.staging import ROOT, StagingError, contents

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.xdist_group("scaffold")

NAME = "extract_text"
OTHERS = {"topic": "x" * longest_function_name(), "bucket": "receipts", "http": "a"}
"""The longest name that there can be, and a short one: formatting depends on it."""
WHOLE_PROGRAM = (
    "test_every_name_is_what_it_was",
    "test_everything_belongs_to_a_component_and_every_component_is_finished",
    "test_no_role_may_do_everything_or_touch_everything",
    "test_the_longest_physical_name_fits_aws_s_limits",
    "test_every_section_of_the_config_has_its_system",
)
"""Of tests/program: what a second system could break."""


def commands() -> list[str]:
    """What the section "Adding a function" of the README tells to run."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## Adding a function\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def run(copy: Path, *command: str) -> str:
    """Run a command in the copy, with the environment of the tests; what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        command,
        cwd=copy,
        env={
            **environment,
            "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}",
            "UV_PROJECT_ENVIRONMENT": str(ROOT / ".venv"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout[-6000:]}"
    return done.stdout


def python(copy: Path, *command: str) -> str:
    return run(copy, sys.executable, "-m", *command)


def check(copy: Path, paths: list[str]) -> None:
    """What `make lint` and `make types` do, for some files."""
    sources = [path for path in paths if path.endswith(".py")]
    python(copy, "ruff", "check", "--no-cache", *sources)
    python(copy, "ruff", "format", "--no-cache", "--check", *sources)
    python(copy, "basedpyright", "--pythonpath", sys.executable, *sources)


@pytest.fixture(scope="module")
def written(copy: Path) -> list[str]:
    """The files that the README's first command writes and changes in the copy."""
    first = shlex.split(commands()[0])
    assert first == ["make", "new-function", f"NAME={NAME}", "TRIGGER=queue"]
    # `env` installs what the tests run with: it is there.
    output = run(copy, "make", "--no-print-directory", "-o", "env", *first[1:], "ARGS=--json")
    made = json.loads(output.splitlines()[-1])
    assert made["name"] == NAME
    return [*made["created"], *made["changed"]]


def test_it_passes_lint_and_types_as_it_was_written(copy: Path, written: list[str]) -> None:
    assert f"lambdas/{NAME}/logic.py" in written
    check(copy, written)


def test_its_tests_and_those_of_the_lists_that_it_is_in_pass(copy: Path, written: list[str]) -> None:
    (fast,) = [one for one in commands() if "tests/program/test_system_" in one]
    whole = [f"tests/program/test_program.py::{test}" for test in WHOLE_PROGRAM]
    assert fast.startswith("python -m pytest ")
    python(copy, *shlex.split(fast)[2:], "tests/components/test_config_docs.py", *whole, "-q", "-n", "0")


def test_it_is_in_the_config_of_its_stacks_and_no_other(copy: Path, written: list[str]) -> None:
    sections = {
        stack: yaml.safe_load((copy / f"Pulumi.{stack}.yaml").read_text())["config"].get(f"strata:{NAME}")
        for stack in ("dev", "prod", "local")
    }
    assert sections == {
        "dev": {"memory_mb": 256, "timeout_seconds": 30},
        "prod": None,
        "local": {"memory_mb": 256, "timeout_seconds": 30, "architecture": "x86_64"},
    }
    before = (ROOT / "tests/program/golden/dev.txt").read_text().splitlines()
    added = set((copy / "tests/program/golden/dev.txt").read_text().splitlines()) - set(before)
    assert len(added) > 15
    assert all("ExtractTextSystem" in urn and "::extract-text" in urn for urn in added)


def test_what_is_there_is_not_written_again(copy: Path, written: list[str]) -> None:
    before = contents(copy)
    with pytest.raises(StagingError, match=r"there is a function of this name \(lambdas/extract_text\)"):
        new_function(NAME, "topic", ["openai-pinecone"], ["dev"], root=copy)
    (copy / "tests/program/test_system_mine.py").write_text("")
    try:
        with pytest.raises(StagingError, match=r"tests/program/test_system_mine\.py is there already"):
            new_function("mine", "topic", ["openai-pinecone"], ["dev"], root=copy)
    finally:
        (copy / "tests/program/test_system_mine.py").unlink()
    assert contents(copy) == before


def test_a_program_that_refuses_the_new_system_leaves_nothing_behind(own_copy: Path) -> None:
    settings = own_copy / "Pulumi.prod.yaml"
    settings.write_text(settings.read_text().replace("batch_size: 100", "batch_size: 100000"))
    before = contents(own_copy)
    with pytest.raises(StagingError, match=r"(?s)could not run the program with the new system.*batch_size is 100000"):
        new_function("other", "queue", ["openai-pinecone"], ["dev"], root=own_copy)
    assert contents(own_copy) == before


def test_a_first_layer_without_powertools_is_refused(own_copy: Path) -> None:
    manifest = own_copy / "layer_builds/layers/openai-pinecone/manifest.json"
    manifest.write_text(manifest.read_text().replace('"aws-lambda-powertools"', '"other"'))
    with pytest.raises(StagingError, match="first layer of a function holds aws-lambda-powertools"):
        new_function("other", "queue", ["openai-pinecone"], ["dev"], root=own_copy)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_of_each_trigger_passes_and_answers_an_event_on_the_local_cloud(copy: Path, written: list[str]) -> None:
    paths = list(written)
    for trigger, name in OTHERS.items():
        made = new_function(name, trigger, ["openai-pinecone"], ["dev"], root=copy)
        paths += [path for path in made.created if path not in paths]
    check(copy, paths)
    tests = [path for path in paths if path.startswith("tests/") and path.endswith(".py")]
    deployed = shlex.split(commands()[-1])[-1]
    assert deployed in tests
    assert len([path for path in tests if path.startswith("tests/sandbox/")]) == 1 + len(OTHERS)
    output = python(copy, "pytest", "-q", "-n", "0", "-W", "ignore", *tests)
    assert "skipped" not in output
