"""Making a layer's smoke call where it will run: the target's interpreter, its CPU, nothing else on the path.

Owns how the call is isolated (an empty environment, `-I -S`, no network) and how another CPU is had (qemu-user over a
small Debian root, which `qemu.py` prepares). What the call does is the layer's own `smoke.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from layer_builds.build.tree import PYTHON, SCRIPT, SHARED
from layer_builds.build.unwritten import check_unwritten, tree_state
from layer_builds.build.verdicts import check_mapped, import_notes, requirement_roots
from layer_builds.host import qemu
from layer_builds.host.interpreters import runtime_root, target_runtime_root
from layer_builds.plan import LayerBuildError, host_architecture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.host.processes import Completed, Runner
    from layer_builds.plan import LayerSpec, Target

NATIVE_TIMEOUT_SECONDS = 180.0
EMULATED_TIMEOUT_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class SmokeResult:
    """What a smoke call showed."""

    outcome: str
    """`run`, `qemu-aarch64`, or `not run: <why>`."""
    modules: tuple[str, ...] = ()
    """Of this layer, below python/: what was imported."""
    uncompiled: tuple[str, ...] = ()
    """Those of them without bytecode in the layer."""
    versions: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    """Modules that could not be imported, of requirements of which others could."""


def result_document(result: SmokeResult, made: str) -> list[Any]:
    """A result, and when and where it was made, as JSON holds them."""
    return [made, result.outcome, result.modules, result.uncompiled, dict(result.versions or {}), result.notes]


def parse_result(document: list[Any]) -> tuple[SmokeResult, str]:
    """What `result_document` gave."""
    made, outcome, modules, uncompiled, versions, notes = document
    return SmokeResult(outcome, tuple(modules), tuple(uncompiled), versions, tuple(notes)), made


def run_smoke(layer: LayerSpec, target: Target, trees: Mapping[str, Path], python: Path, run: Runner) -> SmokeResult:
    """Make the call of a layer.

    Args:
        layer: Whose call it is.
        target: What the layer is for.
        trees: Layer name → its unpacked folder (as /opt), in the order they are attached; this one is the last.
        python: The interpreter for this host, of the target's minor version.
        run: What starts processes.

    Raises:
        LayerBuildError: the call failed, with the end of its traceback; or it wrote into a layer.
    """
    command: list[str] = [str(python)]
    outcome = "run"
    timeout = NATIVE_TIMEOUT_SECONDS
    if sys.platform != "linux":
        return SmokeResult(f"not run: wheels for Lambda load on Linux only, and this is {sys.platform}")
    native = target.architecture == host_architecture()
    if not native:
        emulated = qemu.command(target)
        if isinstance(emulated, str):
            return SmokeResult(f"not run: {emulated}")
        command, outcome, timeout = emulated, f"qemu-{target.machine}", EMULATED_TIMEOUT_SECONDS
    runtime = runtime_root(python, run) if native else target_runtime_root(target, python, run)
    states = {name: tree_state(tree) for name, tree in trees.items()}
    with tempfile.TemporaryDirectory(prefix="strata-smoke-") as folder:
        home = Path(folder)
        job = _job(layer, trees, runtime, home)
        requirements = {} if layer.name not in trees else requirement_roots(layer, trees[layer.name] / PYTHON)
        job["requirements"] = requirements
        prefix = network_off()
        job["own_network"] = bool(prefix)
        done = run(
            [*prefix, *command, "-I", "-S", "-B", str(SCRIPT)],
            cwd=home,
            env=_environment(layer, trees, home),
            stdin=json.dumps(job),
            timeout_seconds=timeout,
        )
        answer = _answer(layer, target, done, home / "answer.json")
    for name, tree in trees.items():
        check_unwritten(layer, target, name, tree, states[name])
    mine = [file.removeprefix(f"{PYTHON}/") for name, file in answer["modules"] if name == layer.name]
    uncompiled = [file.removeprefix(f"{PYTHON}/") for name, file in answer["uncompiled"] if name == layer.name]
    notes = import_notes(layer, target, requirements, answer["failed"])
    if native:
        check_mapped(
            layer,
            target,
            answer["mapped"],
            [*trees.values(), runtime, python.resolve().parent.parent / "lib" / f"python{target.facts.python}"],
        )
    versions = cast("dict[str, str]", answer["versions"])
    return SmokeResult(outcome, tuple(mine), tuple(uncompiled), versions, tuple(notes))


@cache
def network_off() -> tuple[str, ...]:
    """What to put before a command so that it has a network namespace of its own; empty where that is not allowed.

    Without it the call is kept from the network by an audit hook alone, which native code could pass by.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    for options in (("--net",), ("--user", "--map-root-user", "--net")):
        done = subprocess.run([unshare, *options, "true"], capture_output=True, check=False)
        if done.returncode == 0:
            return (unshare, *options)
    return ()


def _job(layer: LayerSpec, trees: Mapping[str, Path], runtime: Path, home: Path) -> dict[str, Any]:
    # A later layer is unpacked over an earlier one: where both had a path, the later one's would be found.
    path = [str(tree / PYTHON) for tree in reversed(list(trees.values()))]
    return {
        "task": "smoke",
        "path": [*path, str(runtime)],
        "roots": {name: os.path.realpath(tree) for name, tree in trees.items()},
        "script": str(layer.directory / layer.smoke),
        "shared": str(SHARED),
        "answer": str(home / "answer.json"),
    }


def _environment(layer: LayerSpec, trees: Mapping[str, Path], home: Path) -> dict[str, str]:
    tree = trees[layer.name]
    variables = {
        name: value.replace("/opt/", f"{tree}/") if value.startswith("/opt/") else value
        for name, value in layer.environment.items()
    }
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "TMPDIR": str(home),
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_LAMBDA_FUNCTION_NAME": "smoke",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "POWERTOOLS_TRACE_DISABLED": "true",
        **variables,
    }


def _answer(layer: LayerSpec, target: Target, done: Completed, path: Path) -> dict[str, Any]:
    where = f"the smoke call of layer {layer.name} failed for {target}"
    if done.returncode != 0 or not path.is_file():  # an answer that does not fit the disk is there in part
        if done.returncode < 0 or done.returncode > 128:  # noqa: PLR2004 - a shell's and unshare's way to say a signal
            number = -done.returncode if done.returncode < 0 else done.returncode - 128
            name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
            raise LayerBuildError(
                f"{where}: it crashed ({name}), so a package's native code is broken or does not fit another's. "
                f"Its last words:\n{_tail(done.stderr)}"
            )
        raise LayerBuildError(f"{where}: it ended with {done.returncode} and no answer:\n{_tail(done.stderr)}")
    answer = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    if "error" in answer:
        raise LayerBuildError(
            f"{where}: {answer['error']}\n{_tail(str(answer['traceback']))}\n"
            "It would fail in Lambda as well: a package is missing, does not fit another, or needs what the runtime "
            "lacks"
        )
    return answer


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-lines:])


def check_compiled(layer: LayerSpec, target: Target, result: SmokeResult, expected: Sequence[str]) -> None:
    """Refuse a list of compiled modules that the smoke call has outgrown.

    Raises:
        LayerBuildError: with the command that lists them again.
    """
    if layer.bytecode == "none":
        return
    missing = sorted(set(result.uncompiled) & set(result.modules))
    if missing and layer.bytecode == "imported":
        raise LayerBuildError(
            f"the smoke call of layer {layer.name} imports {len(missing)} modules for {target} that are not in its "
            f"list of {len(expected)} to compile, {missing[0]} for one: run `python -m layer_builds lock {layer.name}` "
            "and commit modules/"
        )
