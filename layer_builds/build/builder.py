"""Building a layer: the steps in their order, in a folder of their own, renamed into place when all have passed.

Owns the sequence, the cache of finished archives and the build's log. The same digest again is a hit.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from layer_builds.build.assets import PlaceAsset
from layer_builds.build.compiling import Compile
from layer_builds.build.finished import Builder, BuiltLayer, archive_path, finished_layer, log_path, store_built
from layer_builds.build.install import Install
from layer_builds.build.job import Action, Caches, InTurn, Job, Together
from layer_builds.build.local import PlaceLocal
from layer_builds.build.made import Made
from layer_builds.build.outcome import check_reproduced
from layer_builds.build.steps import Check, Prune, Record, Smoke, Zip
from layer_builds.build.wheels import WheelStore
from layer_builds.host.compilers import compilers
from layer_builds.host.disk import disk_errors
from layer_builds.host.folders import INSIDE, build_dir
from layer_builds.host.guards import staging_folder
from layer_builds.host.interpreters import find_python, interpreter_version
from layer_builds.host.processes import Log, Processes
from layer_builds.plan import (
    LayerBuildError,
    ManifestEntry,
    OtherBytesError,
    checked_compiler,
    committed_entry,
    layer_digest,
    layers_before,
    load_lock,
    load_modules,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from layer_builds.build.earlier import Earlier
    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec, Target


def caches() -> Caches:
    """What builds of this machine keep for each other."""
    home = build_dir()
    return Caches(WheelStore(home / "wheels"), Made(home / "made.sqlite"), home / "assets")


def plan_actions(layer: LayerSpec, target: Target, compiler: str | None = None) -> tuple[Action, ...]:
    """The steps that make a layer, without running any.

    The order matters: bytecode is made from what is left after pruning, and nothing changes a file after its RECORD was
    written. The smoke call, which takes longest, begins as soon as its files are there.
    """
    lock = load_lock(layer, target)
    install = Install(lock.pins, target.facts.python, target.uv_platform, layer.source)
    compiled: tuple[Action, ...] = ()
    if layer.bytecode != "none":
        modules = load_modules(layer, target) if layer.bytecode == "imported" else None
        compiled = (Compile(modules, checked_compiler(target, compiler)),)
    local = tuple(PlaceLocal(name) for name in layer.local)
    assets = tuple(PlaceAsset(asset) for asset in layer.assets)
    return (
        install,
        Prune(layer.drops(target), layer.keep, layer.strip),
        *local,
        *assets,
        *compiled,
        Record(),
        Together((Smoke(), InTurn((Check(), Zip())))),
    )


def build_layer(
    layer: LayerSpec,
    target: Target,
    *,
    builder: Builder = "native",
    compiler: str | None = None,
    progress: Callable[[str], None] | None = None,
    run: Runner | None = None,
    force: bool = False,
) -> BuiltLayer:
    """Build a layer, or find it built.

    Args:
        layer: What to build.
        target: For which runtime and architecture.
        builder: `native`, or `docker`: the same builder inside AWS's build image.
        compiler: CPython patch version for the bytecode; None is the pinned one.
        progress: Told what is being done, a few words at a time.
        run: What starts processes; None is the real one.
        force: Build although it is there.

    Returns:
        The archive in `.build/layers/<digest>.zip`, checked.

    Raises:
        LayerBuildError: any step failed; with the path of the log. Nothing is left in the archive's place then.
    """
    say: Callable[[str], None] = progress or (lambda _: None)
    started = time.monotonic()
    finished = None if force else finished_layer(layer, target, compiler)
    if finished is not None:
        return finished
    digest = layer_digest(layer, target, compiler)
    archive, log = archive_path(digest), log_path(digest)
    try:
        with disk_errors(f"building layer {layer.name} for {target}", build_dir()):
            run = run or Processes(Log(log))
            if builder == "docker":
                from layer_builds.build import docker

                entry, notes = docker.build_in_docker(layer, target, archive, compiler=compiler, run=run, say=say)
            else:
                entry, notes = _build(layer, target, archive, compiler=compiler, run=run, say=say)
    except LayerBuildError as error:
        # `.build` of the scaffolder's copy is a link, and the copy is gone when this is read.
        raise LayerBuildError(f"{error}\nThe full log: {log.resolve()}") from None
    return BuiltLayer(
        layer=layer.name, target=target, path=archive, digest=digest, entry=entry, hit=False,
        seconds=time.monotonic() - started, log=log, notes=notes,
    )  # fmt: skip


def _build(
    layer: LayerSpec,
    target: Target,
    archive: Path,
    *,
    compiler: str | None,
    run: Runner,
    say: Callable[[str], None],
) -> tuple[ManifestEntry, tuple[str, ...]]:
    if layer.source and os.environ.get(INSIDE) != "1":
        raise LayerBuildError(
            f"layer {layer.name} builds {', '.join(layer.source)} from source, which the native builder does not do: "
            "use `--builder docker` (`strata:layers: {builder: docker}`)"
        )
    if layer.bytecode == "none":
        return _build_with(find_python(target.facts), layer, target, archive, compiler=compiler, run=run, say=say)
    version = checked_compiler(target, compiler)
    # The manifest says what has to come out: whichever release of the minor version makes that may compile.
    stand_ins = committed_entry(layer, target, archive.stem) is not None
    for python in compilers(version, stand_ins=stand_ins, say=say):
        try:
            entry, notes = _build_with(python, layer, target, archive, compiler=compiler, run=run, say=say)
        except OtherBytesError:
            if interpreter_version(python) == version:
                raise
        else:
            made_by = interpreter_version(python)
            notes = notes if made_by == version else (*notes, f"CPython {made_by} made the bytes of {version}")
            return entry, notes
    raise AssertionError("compilers() ends with an error")  # pragma: no cover


def _build_with(
    interpreter: Path,
    layer: LayerSpec,
    target: Target,
    archive: Path,
    *,
    compiler: str | None,
    run: Runner,
    say: Callable[[str], None],
) -> tuple[ManifestEntry, tuple[str, ...]]:
    actions = plan_actions(layer, target, interpreter_version(interpreter))
    with staging_folder(archive.parent, f"{layer.name}-") as folder:
        notes: list[str] = []
        before, contents = _layers_before(layer, target, folder / "before", compiler=compiler, run=run, say=say)
        job = Job(
            layer=layer,
            target=target,
            tree=folder / "opt",
            archive=folder / "layer.zip",
            run=run,
            interpreter=interpreter,
            before=before,
            contents=contents,
            caches=caches(),
            say=notes.append,
        )
        for action in actions:
            say(f"{layer.name} {target}: {action.title}")
            action.apply(job)
        assert job.came_to is not None  # noqa: S101 - by the plan
        assert job.smoke is not None  # noqa: S101
        entry = replace(job.came_to, digest=archive.stem, smoke=job.smoke.outcome)
        check_reproduced(layer, target, entry)
        store_built(job.archive, archive, entry)
        return entry, tuple(notes)


def _layers_before(
    layer: LayerSpec,
    target: Target,
    folder: Path,
    *,
    compiler: str | None,
    run: Runner,
    say: Callable[[str], None],
) -> tuple[dict[str, Earlier], dict[str, str]]:
    """What the layer comes after, built; and by name the SHA-256 of the archives."""
    before: dict[str, Earlier] = {}
    contents: dict[str, str] = {}
    for one in layers_before(layer):
        from layer_builds.build.earlier import Earlier

        built = build_layer(one, target, compiler=compiler, progress=say, run=run)
        before[one.name] = Earlier(built.path, folder / one.name, one.max_bytes)
        contents[one.name] = built.sha256
    return before, contents
