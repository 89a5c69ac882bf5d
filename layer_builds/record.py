"""Which modules get bytecode: recorded by `lock` from the smoke call, and committed as an input of the digest.

They are not chosen while building: another CPU's smoke call may not be possible on the building machine, and what it
imports must not make the bytes depend on where they are built. One list serves both CPUs of a runtime.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds import interpreters
from layer_builds.actions import Install, Job, PlaceAsset, Prune
from layer_builds.errors import LayerBuildError
from layer_builds.interpreters import find_interpreter
from layer_builds.locks import load_lock
from layer_builds.smoke import run_smoke
from layer_builds.spec import before
from layer_builds.targets import RUNTIMES, Target, host_architecture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from layer_builds.processes import Runner
    from layer_builds.spec import LayerSpec


def record_modules(layer: LayerSpec, runtime: str, run: Runner, say: Callable[[str], None]) -> tuple[str, ...]:
    """Install a layer, make its smoke call, and list which of its modules were imported.

    Args:
        layer: Locked for the runtime and this machine's CPU.
        runtime: For example `python3.13`; its pinned interpreter has to be here.
        run: What starts processes.
        say: Told what is being done.

    Returns:
        Paths below python/, sorted.

    Raises:
        LayerBuildError: the call failed, or this machine cannot make it.
    """
    target = Target(runtime, host_architecture())
    python = find_interpreter(RUNTIMES[runtime].compiler)
    with tempfile.TemporaryDirectory(prefix="strata-record-") as folder:
        trees: dict[str, Path] = {}
        for one in (*before(layer), layer):
            trees[one.name] = _unpacked(one, target, Path(folder) / one.name, python, trees, run=run, say=say)
        say(f"{layer.name} {target}: smoke call")
        result = run_smoke(layer, target, trees, python, run)
    if result.outcome != "run":
        raise LayerBuildError(f"the modules of layer {layer.name} cannot be recorded: {result.outcome}")
    return tuple(sorted(result.modules))


def _unpacked(
    layer: LayerSpec,
    target: Target,
    folder: Path,
    python: Path,
    earlier: Mapping[str, Path],
    *,
    run: Runner,
    say: Callable[[str], None],
) -> Path:
    lock = load_lock(layer, target)
    names = tuple(pin.name for pin in lock.pins)
    install = Install(layer.lock_path(target), target.facts.python, target.uv_platform, layer.source, names)
    folder.mkdir()
    job = Job(
        layer=layer,
        target=target,
        tree=folder / "opt",
        archive=folder / "layer.zip",
        run=run,
        interpreter=python,
        before=earlier,
        cache=interpreters.BUILD_DIR / "assets",
        say=say,
    )
    for action in (install, Prune(layer.drop, layer.strip), *(PlaceAsset(asset) for asset in layer.assets)):
        say(f"{layer.name} {target}: {action.title}")
        action.apply(job)
    return job.tree
