"""Which modules get bytecode: listed by `lock` from the smoke call, and committed as an input of the digest.

They are not chosen while building: another CPU's smoke call may not be possible on the building machine, and what it
imports must not make the bytes depend on where they are built. One list serves both CPUs of a runtime.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layer_builds.build.assets import PlaceAsset
from layer_builds.build.builder import caches
from layer_builds.build.install import Install
from layer_builds.build.job import Job
from layer_builds.build.local import PlaceLocal
from layer_builds.build.smoke import run_smoke
from layer_builds.build.steps import Prune
from layer_builds.host.compilers import get_interpreter
from layer_builds.host.folders import INSIDE, build_dir
from layer_builds.host.guards import staging_folder
from layer_builds.plan import RUNTIMES, LayerBuildError, Target, host_architecture, layers_before, load_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec


def imported_modules(layer: LayerSpec, runtime: str, run: Runner, say: Callable[[str], None]) -> tuple[str, ...]:
    """Install a layer, make its smoke call, and list which of its modules were imported.

    Args:
        layer: Locked for the runtime, and this machine's CPU where it is made for that: another one is emulated.
        runtime: For example `python3.13`; its pinned interpreter makes the call.
        run: What starts processes.
        say: Told what is being done.

    Returns:
        Paths below python/, sorted. For a layer that is built from source, as its build image lists them.

    Raises:
        LayerBuildError: the call failed, or this machine cannot make it.
    """
    here = host_architecture()
    target = Target(runtime, here if here in layer.architectures else layer.architectures[0])
    if any(one.source for one in (*layers_before(layer), layer)) and os.environ.get(INSIDE) != "1":
        from layer_builds.build.docker import imported_in_docker

        return imported_in_docker(layer, target, run, say)
    python = get_interpreter(RUNTIMES[runtime].compiler)
    # On the disk of the installed wheels, since its files are links to theirs.
    with staging_folder(build_dir() / "listing", f"{layer.name}-") as folder:
        trees: dict[str, Path] = {}
        for one in (*layers_before(layer), layer):
            trees[one.name] = _unpacked(one, target, folder / one.name, python, run=run, say=say)
        say(f"{layer.name} {target}: smoke call")
        result = run_smoke(layer, target, trees, python, run)
    if result.outcome.startswith("not run"):
        why = result.outcome.removeprefix("not run: ")
        raise LayerBuildError(f"the modules of layer {layer.name} cannot be listed for {target}: {why}")
    return tuple(sorted(result.modules))


def check_installed_size(layer: LayerSpec, target: Target, run: Runner, say: Callable[[str], None]) -> None:
    """Install and prune a layer, to see whether Lambda takes what is left.

    Raises:
        LayerBuildError: it does not, or it cannot be installed.
    """
    python = get_interpreter(target.facts.compiler)
    with staging_folder(build_dir() / "listing", f"{layer.name}-") as folder:
        _unpacked(layer, target, folder / layer.name, python, run=run, say=say)


def _unpacked(
    layer: LayerSpec,
    target: Target,
    folder: Path,
    python: Path,
    *,
    run: Runner,
    say: Callable[[str], None],
) -> Path:
    lock = load_lock(layer, target)
    install = Install(lock.pins, target.facts.python, target.uv_platform, layer.source)
    folder.mkdir()
    job = Job(
        layer=layer,
        target=target,
        tree=folder / "opt",
        archive=folder / "layer.zip",
        run=run,
        interpreter=python,
        before={},
        contents={},
        caches=caches(),
        say=say,
    )
    local = tuple(PlaceLocal(name) for name in layer.local)
    assets = tuple(PlaceAsset(asset) for asset in layer.assets)
    for action in (install, Prune(layer.drops(target), layer.keep, layer.strip), *local, *assets):
        say(f"{layer.name} {target}: {action.title}")
        action.apply(job)
    return job.tree
