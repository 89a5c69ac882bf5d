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
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from layer_builds import qemu
from layer_builds.errors import LayerBuildError
from layer_builds.interpreters import runtime_root, target_runtime_root
from layer_builds.targets import host_architecture
from layer_builds.tree import PYTHON, packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.processes import Completed, Runner
    from layer_builds.spec import LayerSpec
    from layer_builds.targets import Target

SCRIPT = Path(__file__).with_name("in_target.py")
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
    states = {name: _state(tree) for name, tree in trees.items()}
    with tempfile.TemporaryDirectory(prefix="strata-smoke-") as folder:
        home = Path(folder)
        job = _job(layer, trees, runtime, home)
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
        _check_unwritten(layer, target, name, tree, states[name])
    mine = [file.removeprefix(f"{PYTHON}/") for name, file in answer["modules"] if name == layer.name]
    uncompiled = [file.removeprefix(f"{PYTHON}/") for name, file in answer["uncompiled"] if name == layer.name]
    return SmokeResult(outcome, tuple(mine), tuple(uncompiled), cast("dict[str, str]", answer["versions"]))


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


def _state(tree: Path) -> dict[str, tuple[int, int]]:
    """Bytes and time of all files and folders; a folder's time tells of a file that came and went."""
    paths = [path for folder, _, names in os.walk(tree) for path in (folder, *(f"{folder}/{name}" for name in names))]
    stats = {os.path.relpath(path, tree): os.lstat(path) for path in paths}
    return {path: (one.st_size, one.st_mtime_ns) for path, one in stats.items()}


def _check_unwritten(
    layer: LayerSpec, target: Target, name: str, tree: Path, known: Mapping[str, tuple[int, int]]
) -> None:
    changed = sorted(path for path, _ in set(known.items()) ^ set(_state(tree).items()))
    if changed:
        # The last one is no folder that merely holds another.
        raise LayerBuildError(
            f"the smoke call of layer {layer.name} for {target} wrote to {changed[-1]} of layer {name}"
            f"{_beside(tree, changed[-1])}, and /opt is read-only in Lambda. Let the package write to /tmp (most have "
            "a variable for it: `[environment]` in layer.toml), or ship what it writes as an asset"
        )


def _beside(tree: Path, path: str) -> str:
    """The packages that have files where a path is, for a message."""
    place = PurePosixPath(path.removeprefix(f"{PYTHON}/"))
    installed = packages(tree / PYTHON)
    for folder in (place, *place.parents):
        found = [str(one) for one in installed if any(file.startswith(f"{folder}/") for file in one.files)]
        if found:
            return f" (package {', '.join(found)})"
    return ""


def _tail(text: str, lines: int = 12) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-lines:])


def check_compiled(layer: LayerSpec, target: Target, result: SmokeResult, expected: Sequence[str]) -> None:
    """Refuse a list of compiled modules that the smoke call has outgrown.

    Raises:
        LayerBuildError: with the command that records it again.
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
