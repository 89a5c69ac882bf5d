"""Building a layer: the steps in their order, in a folder of their own, renamed into place when all have passed.

Owns the sequence, the cache of finished archives and the build's log. The same digest again is a hit.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from layer_builds import docker, interpreters
from layer_builds.actions import Action, Check, Compile, Install, Job, PlaceAsset, Prune, Record, Smoke, Together, Zip
from layer_builds.archive import check_hygiene, file_sha256, read_entries
from layer_builds.checks import archive_path, check_reproduced, manifest_entry
from layer_builds.digest import checked_compiler, layer_digest
from layer_builds.errors import LayerBuildError, disk_errors
from layer_builds.interpreters import find_interpreter
from layer_builds.locking import locked, staging_folder
from layer_builds.locks import load_lock, load_modules
from layer_builds.manifest import Manifest, ManifestEntry, committed_entry, load_manifest, parse_entry
from layer_builds.processes import Log, Processes
from layer_builds.spec import before

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from layer_builds.processes import Runner
    from layer_builds.spec import LayerSpec
    from layer_builds.targets import Target

Builder = Literal["native", "docker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A finished archive."""

    layer: str
    target: Target
    path: Path
    digest: str
    entry: ManifestEntry
    hit: bool
    """Whether it was there already."""
    seconds: float
    log: Path
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the zip."""
        return self.entry.artifact_sha256

    @property
    def zip_bytes(self) -> int:
        """Of the zip."""
        return self.entry.zip_bytes

    @property
    def unzipped_bytes(self) -> int:
        """Of what is in it."""
        return self.entry.unzipped_bytes


def plan_actions(layer: LayerSpec, target: Target, compiler: str | None = None) -> tuple[Action, ...]:
    """The steps that make a layer, without running any.

    The order matters: bytecode is made from what is left after pruning, and nothing changes a file once it was checked.
    """
    lock = load_lock(layer, target)
    install = Install(
        lock=layer.lock_path(target),
        python_version=target.facts.python,
        platform=target.uv_platform,
        source=layer.source,
        packages=tuple(pin.name for pin in lock.pins),
    )
    compiled: tuple[Action, ...] = ()
    if layer.bytecode != "none":
        modules = load_modules(layer, target) if layer.bytecode == "imported" else None
        compiled = (Compile(modules, checked_compiler(target, compiler)),)
    assets = tuple(PlaceAsset(asset) for asset in layer.assets)
    return (install, Prune(layer.drop, layer.strip), *assets, *compiled, Record(), Check(), Together((Smoke(), Zip())))


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
    say = progress or (lambda _: None)
    started = time.monotonic()
    digest = layer_digest(layer, target, compiler)
    build_dir = interpreters.BUILD_DIR
    log = build_dir / f"{digest}.log"
    archive = archive_path(digest)
    entry = None if force else cached_entry(archive, digest, committed_entry(layer, target, digest))
    if entry is not None:
        return BuiltLayer(
            layer=layer.name, target=target, path=archive, digest=digest, entry=entry, hit=True,
            seconds=time.monotonic() - started, log=log,
        )  # fmt: skip
    try:
        with disk_errors(f"building layer {layer.name} for {target}", build_dir):
            run = run or Processes(Log(log))
            if builder == "docker":
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
    if layer.source and not docker.inside():
        raise LayerBuildError(
            f"layer {layer.name} builds {', '.join(layer.source)} from source, which the native builder does not do: "
            "use `--builder docker` (`strata:layers: {builder: docker}`)"
        )
    actions = plan_actions(layer, target, compiler)
    interpreter = find_interpreter(checked_compiler(target, compiler))
    with staging_folder(archive.parent, f"{layer.name}-") as folder:
        notes: list[str] = []
        job = Job(
            layer=layer,
            target=target,
            tree=folder / "opt",
            archive=folder / "layer.zip",
            run=run,
            interpreter=interpreter,
            before=_trees_before(layer, target, folder, compiler=compiler, run=run, say=say),
            cache=archive.parent.parent / "assets",
            say=notes.append,
        )
        for action in actions:
            say(f"{layer.name} {target}: {action.title}")
            action.apply(job)
        assert job.findings is not None  # noqa: S101 - by the plan
        assert job.smoke is not None  # noqa: S101
        check_hygiene(job.archive, job.entries)
        entry = manifest_entry(archive.stem, job.findings, job.archive, job.entries, job.smoke.outcome)
        check_reproduced(layer, target, entry)
        store_built(job.archive, archive, entry)
        return entry, (*notes, *job.findings.notes)


def store_built(finished: Path, archive: Path, entry: ManifestEntry) -> None:
    """Put a finished archive in its place: the record first, so that an archive that is there always has one."""
    record = archive.with_suffix(".json")
    staged = finished.with_suffix(".json")
    staged.write_text(json.dumps(entry.document()), encoding="utf-8")
    staged.replace(record)
    finished.replace(archive)


def cached_entry(archive: Path, digest: str, committed: ManifestEntry | None) -> ManifestEntry | None:
    """The record of an archive that is there and still what was built; anything else is built again.

    So is one of other bytes than the manifest has for its digest: the record beside it was written by whoever built
    it, which may have been another version of the builder. The new build tells which of the two is right.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        entry = parse_entry(json.loads(archive.with_suffix(".json").read_text(encoding="utf-8")))
        wanted = entry if committed is None else committed
        if entry.digest == digest and file_sha256(archive) == entry.artifact_sha256 == wanted.artifact_sha256:
            return entry
    return None


def _trees_before(
    layer: LayerSpec,
    target: Target,
    folder: Path,
    *,
    compiler: str | None,
    run: Runner,
    say: Callable[[str], None],
) -> Mapping[str, Path]:
    trees: dict[str, Path] = {}
    for one in before(layer):
        built = build_layer(one, target, compiler=compiler, progress=say, run=run)
        trees[one.name] = folder / "before" / one.name
        read_entries(built.path, trees[one.name])
    return trees


def update_manifest(layer: LayerSpec, built: list[BuiltLayer]) -> bool:
    """Write what was built into the layer's manifest; say whether the file changed.

    An entry whose smoke call ran is not replaced by the same build from a machine on which it could not. Another
    process may be building the layer for another target: each waits for the other, and keeps its entry.
    """
    with locked(interpreters.BUILD_DIR / f"{layer.name}-manifest.lock"):
        return _merge(layer, built)


def _merge(layer: LayerSpec, built: list[BuiltLayer]) -> bool:
    manifest = load_manifest(layer)
    entries = dict(manifest.entries)
    for one in built:
        known = entries.get(str(one.target))
        entry = one.entry
        if known is not None and known.artifact_sha256 == entry.artifact_sha256 and _better(known.smoke, entry.smoke):
            entry = replace(entry, smoke=known.smoke)
        entries[str(one.target)] = entry
    text = Manifest(layer.name, entries).text()
    path = layer.manifest_path
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    staged = path.with_suffix(f".json.{os.getpid()}")
    staged.write_text(text, encoding="utf-8", newline="\n")
    staged.replace(path)
    return True


def _better(known: str, new: str) -> bool:
    def rank(smoke: str) -> int:
        return 2 if smoke == "run" else 0 if smoke.startswith("not run") else 1

    return rank(known) > rank(new)
