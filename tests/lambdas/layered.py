"""A function on its real, built layers, in a process that has nothing else: what Lambda would give it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layer_builds.host.interpreters import runtime_root
from layer_builds.plan import read_code
from tests.vocabulary import built_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCRIPT = Path(__file__).with_name("in_layer.py")
STANDARD = str(Path(os.__file__).resolve().parent)


def unpack_layers(folder: Path, *layers: str) -> Path:
    """The layers, unpacked over each other, in a folder that is /opt."""
    for layer in layers:
        with zipfile.ZipFile(built_layer(layer).path) as archive:
            archive.extractall(folder)
    return folder


def copy_package(folder: Path, system: str, *at_root: str) -> Path:
    """A function's package, as it is deployed."""
    for name, text in read_code(system, at_root=at_root).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder


def search_path(opt: Path, task: Path) -> list[str]:
    """Where the function may import from, beside the standard library."""
    return [str(task), str(opt / "python"), str(runtime_root(Path(sys.executable)))]


def foreign(places: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Where modules came from that Lambda would not have."""
    ours = (*paths, STANDARD, str(SCRIPT))
    return [place for place in places if place.startswith("/") and not place.startswith(ours)]


def run_script(
    script: str,
    paths: Sequence[str],
    *arguments: str,
    variables: Mapping[str, str],
    given: Any = None,
    seconds: float = 400,
) -> Any:
    """What a script prints last, as JSON, in a process that has the layers and the package alone.

    Args:
        script: begins by putting `json.loads(sys.argv[1])`, of `search_path`, before its path.
        paths: those.
        arguments: after them.
        variables: all that it has.
        given: on its standard input, as JSON.
        seconds: that it may take.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", script, json.dumps(paths), *arguments],
        input=json.dumps(given),
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run_layered(
    system: str, opt: Path, task: Path, event: Any, variables: Mapping[str, str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The outcome and the log of one event; nothing was imported that Lambda would not have.

    Args:
        system: of `lambdas/`.
        opt: of `unpack_layers`.
        task: of `copy_package`.
        event: what the function is given, after its health check.
        variables: beside those that Lambda sets itself.
    """
    paths = search_path(opt, task)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", str(SCRIPT), json.dumps(paths), system],
        input=json.dumps(event),
        env={
            **variables,
            "AWS_LAMBDA_FUNCTION_NAME": f"strata-test-{system}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": str(task),
            "POWERTOOLS_SERVICE_NAME": f"strata-test-{system.replace('_', '-')}",
            "LANG": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *log, outcome = done.stdout.splitlines()
    assert foreign(json.loads(outcome)["places"], paths) == []
    return json.loads(outcome), [json.loads(line) for line in log]
