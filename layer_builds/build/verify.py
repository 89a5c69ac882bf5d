"""`verify`: a finished archive, checked as a stranger's. It takes nothing from what was made or checked before."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds.build.checks import check_tree, smoke_tree
from layer_builds.build.earlier import Earlier
from layer_builds.build.finished import archive_path
from layer_builds.build.made import Made
from layer_builds.build.outcome import check_reproduced, manifest_entry
from layer_builds.build.records import check_records
from layer_builds.build.tree import PYTHON, packages
from layer_builds.build.unpacking import check_hygiene, read_entries
from layer_builds.host.disk import disk_errors
from layer_builds.host.folders import build_dir
from layer_builds.host.interpreters import find_python
from layer_builds.host.processes import Log, Processes
from layer_builds.plan import LayerBuildError, build_command, layer_digest, layers_before

if TYPE_CHECKING:
    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec, ManifestEntry, Target


def verify(
    layer: LayerSpec,
    target: Target,
    archive: Path | None = None,
    *,
    compiler: str | None = None,
    run: Runner | None = None,
) -> ManifestEntry:
    """Check a finished archive as a stranger's: its format, its files, its budget, a real call, the manifest.

    Args:
        layer: What it should be.
        target: For which runtime and architecture.
        archive: The zip; None is the one in `.build` for today's digest.
        compiler: CPython patch version that made its bytecode; None is the pinned one, which the manifest is of.
        run: What starts processes.

    Returns:
        What it came to.

    Raises:
        LayerBuildError: the first thing that is wrong.
    """
    with disk_errors(f"verifying layer {layer.name} for {target}", build_dir()):
        return _verify(layer, target, archive, compiler=compiler, run=run)


def _verify(
    layer: LayerSpec, target: Target, archive: Path | None, *, compiler: str | None, run: Runner | None
) -> ManifestEntry:
    digest = layer_digest(layer, target, compiler)
    archive = _there(layer, target, archive or archive_path(digest))
    run = run or Processes(Log(build_dir() / f"{digest}.log"))
    interpreter = find_python(target.facts)
    with tempfile.TemporaryDirectory(prefix="strata-verify-") as folder:
        before: dict[str, Earlier] = {}
        for one in layers_before(layer):
            earlier = _there(one, target, archive_path(layer_digest(one, target, compiler)))
            before[one.name] = Earlier(earlier, Path(folder) / one.name, one.max_bytes)
        tree = Path(folder) / layer.name
        entries = read_entries(archive, tree, layer.max_bytes)
        check_hygiene(archive, entries, programs=bool(layer.keep))
        findings = check_tree(layer, target, tree, before=before, known={}, made=Made(Path(folder) / "made"))
        check_records(tree / PYTHON, packages(tree / PYTHON), entries)
        smoke = smoke_tree(layer, target, tree, before=before, python=interpreter, run=run)
    entry = manifest_entry(digest, findings, archive, entries, smoke.outcome)
    check_reproduced(layer, target, entry)
    return entry


def _there(layer: LayerSpec, target: Target, archive: Path) -> Path:
    if not archive.is_file():
        raise LayerBuildError(
            f"layer {layer.name} has not been built for {target} ({archive} is missing): run "
            f"`{build_command(layer.name, target)}`"
        )
    return archive
