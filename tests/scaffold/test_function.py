"""A new function by the README's words: linted, typed, tested and, on the local cloud, run as it was written."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from components.systems import SYSTEMS
from scripts.scaffold.functions import TRIGGERS, _files, new_function
from scripts.scaffold.names import function_name, longest_function_name
from scripts.staging import ROOT, StagingError, contents

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.xdist_group("scaffold"), pytest.mark.timeout(900)]

NAME = "count_words"
OTHERS = {"topic": "x" * longest_function_name(), "bucket": "receipts", "http": "a"}
"""The longest name that there can be, and a short one: formatting depends on it."""
GRANTS = {
    "queue": {"ConsumeQueue"},
    "topic": {"SendFailures"},
    "bucket": {"SendFailures", "ReadObjects"},
    "http": {"ReadSecrets"},
}
"""What a role may do, beside writing logs and traces."""
MOST_FILES = 13
OF_NO_OTHER = f"not ({' or '.join(SYSTEMS)})"
"""Of tests that go over all systems, those of the new ones: the others have been run beside these already."""


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


def granted(copy: Path, name: str) -> set[str]:
    """What a function's role may do, by the golden list."""
    lines = (copy / "tests/program/golden/dev.txt").read_text().splitlines()
    return {line.split(": ")[0].split(" ")[1] for line in lines if re.match(rf"{name}(-async)?-[a-z-]*policy ", line)}


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


@pytest.fixture(scope="module")
def all_written(copy: Path, written: list[str]) -> list[str]:
    """The files of that function and of one for each other trigger, all in the same copy."""
    paths = list(written)
    for trigger, name in OTHERS.items():
        made = new_function(name, trigger, ["openai-pinecone"], ["dev"], root=copy)
        assert len([*made.created, *made.changed]) <= MOST_FILES
        paths += [path for path in made.created if path not in paths]
    return paths


@pytest.mark.slow
def test_it_touches_few_files(written: list[str]) -> None:
    assert len(written) <= MOST_FILES, written


@pytest.mark.slow
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
    names = {line for line in added if line.startswith("urn:")}
    assert all("CountWordsSystem" in urn and "::count-words" in urn for urn in names)
    assert granted(copy, "count-words") == {"WriteLogs", "SendTraces", *GRANTS["queue"]}


@pytest.mark.slow
def test_what_is_there_is_not_written_again(copy: Path, written: list[str]) -> None:
    before = contents(copy)
    with pytest.raises(StagingError, match=r"there is a function of this name \(lambdas/count_words\)"):
        new_function(NAME, "topic", ["openai-pinecone"], ["dev"], root=copy)
    (copy / "components/systems/mine.py").write_text("")
    try:
        with pytest.raises(StagingError, match=r"components/systems/mine\.py is there already"):
            new_function("mine", "topic", ["openai-pinecone"], ["dev"], root=copy)
    finally:
        (copy / "components/systems/mine.py").unlink()
    assert contents(copy) == before


@pytest.mark.slow
def test_a_program_that_refuses_the_new_system_leaves_nothing_behind(own_copy: Path) -> None:
    settings = own_copy / "Pulumi.prod.yaml"
    settings.write_text(settings.read_text().replace("batch_size: 100", "batch_size: 100000"))
    before = contents(own_copy)
    with pytest.raises(StagingError, match=r"(?s)could not run the program with the new system.*batch_size is 100000"):
        new_function("other", "queue", ["openai-pinecone"], ["dev"], root=own_copy)
    assert contents(own_copy) == before


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_a_template_makes_python_with_every_place_filled(trigger: str) -> None:
    files = _files(function_name("page_7"), trigger, ["openai-pinecone", "other"])
    assert "components/systems/page_7.py" in files
    for path, text in files.items():
        ast.parse(text, path)
        assert "{{" not in text
        assert "NAME" not in path
    assert 'Zip(("openai-pinecone", "other"))' in files["components/systems/page_7.py"]


def test_a_first_layer_without_powertools_is_refused(own_copy: Path) -> None:
    manifest = own_copy / "layer_builds/layers/openai-pinecone/manifest.json"
    manifest.write_text(manifest.read_text().replace('"aws-lambda-powertools"', '"other"'))
    with pytest.raises(StagingError, match="first layer of a function holds aws-lambda-powertools"):
        new_function("other", "queue", ["openai-pinecone"], ["dev"], root=own_copy)


# One of each trigger from here on: what comes before sees the first function alone.


@pytest.mark.slow
def test_a_role_may_do_what_its_trigger_needs(copy: Path, all_written: list[str]) -> None:
    for trigger, name in OTHERS.items():
        assert granted(copy, name) == {"WriteLogs", "SendTraces", *GRANTS[trigger]}


@pytest.mark.slow
def test_they_pass_lint_and_types_as_they_were_written(copy: Path, all_written: list[str]) -> None:
    assert {f"lambdas/{name}/logic.py" for name in (NAME, *OTHERS.values())} <= set(all_written)
    check(copy, all_written)


@pytest.mark.slow
def test_their_tests_and_what_every_system_must_keep_to_pass(copy: Path, all_written: list[str]) -> None:
    (fast,) = [command for command in commands() if "tests/program" in command]
    assert fast.startswith(f"python -m pytest tests/lambdas/{NAME} ")
    others = [f"tests/lambdas/{name}" for name in OTHERS.values()]
    further = [*others, "tests/components/test_config_docs.py", "-k", OF_NO_OTHER, "-q", "-n", "0", "-W", "ignore"]
    python(copy, *shlex.split(fast)[2:], *further)


@pytest.mark.slow
def test_they_answer_an_event_on_the_local_cloud(copy: Path, all_written: list[str]) -> None:
    assert commands()[-1] == f"make demo SYSTEM={NAME}"
    shown = json.loads(python(copy, "sandbox", "demo", "--json", NAME, *OTHERS.values()))
    assert shown["ok"], shown
    assert all(shown["systems"][name]["ok"] for name in (NAME, *OTHERS.values()))
