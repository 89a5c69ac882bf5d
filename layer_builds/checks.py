"""Would this layer work in Lambda? Every file against the target, the whole against the limits, and a real call.

Owns the checks of a layer's content and `verify` of a finished archive. It fixes nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from layer_builds import interpreters
from layer_builds.archive import check_hygiene, content_sha256, file_sha256, read_entries, tree_files
from layer_builds.budget import MAX_UNZIPPED_BYTES, largest
from layer_builds.digest import checked_compiler, layer_digest
from layer_builds.elf import PROVIDED, check_native, is_native
from layer_builds.errors import LayerBuildError, disk_errors
from layer_builds.interpreters import find_interpreter
from layer_builds.locks import load_lock, load_modules
from layer_builds.manifest import Distribution, ManifestEntry, build_command, committed_entry
from layer_builds.processes import Log, Processes
from layer_builds.smoke import SmokeResult, check_compiled, run_smoke
from layer_builds.spec import before
from layer_builds.tags import check_tags
from layer_builds.tree import PYTHON, check_records, owners, package_bytes, packages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.archive import Entry
    from layer_builds.processes import Runner
    from layer_builds.spec import LayerSpec
    from layer_builds.targets import Target
    from layer_builds.tree import Package


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks of a layer's files came to."""

    distributions: Mapping[str, Distribution]
    assets: Mapping[str, int]
    unzipped_bytes: int
    glibc: str
    """The newest that any file asks for; `-` without native code."""
    notes: tuple[str, ...] = field(default=())
    """What is odd and not wrong for certain."""


def check_tree(layer: LayerSpec, target: Target, tree: Path, before: Mapping[str, Path] | None = None) -> Findings:
    """Check an unpacked layer, all but the bytes of its packages' files: see `check_records`.

    Args:
        layer: What it should be.
        target: What it should run on.
        tree: The folder that is /opt.
        before: Unpacked layers that are attached with it, which may hold libraries that it links.

    Raises:
        LayerBuildError: a package is not as locked, or for the wrong CPU or glibc; an asset is not as declared; a file
            is in an earlier layer as well; or the whole is more than Lambda takes.
    """
    python = tree / PYTHON
    installed = packages(python)
    _check_locked(layer, target, installed)
    for package in installed:
        check_tags(str(package), package.tags, target)
    newest, notes = _check_native_files(target, tree, installed, before or {})
    assets = _check_assets(layer, tree)
    _check_apart(layer, tree, before or {})
    sizes = package_bytes(python, installed)
    distributions = {one.name: Distribution(one.version, sizes[one.name]) for one in installed}
    unzipped = sum((tree / file).stat().st_size for file in tree_files(tree))
    findings = Findings(distributions, assets, unzipped, newest, tuple(notes))
    if unzipped > MAX_UNZIPPED_BYTES:
        entry = manifest_entry("", findings, None, (), "")
        raise LayerBuildError(
            f"layer {layer.name} is {unzipped:,} bytes unzipped for {target}, {unzipped - MAX_UNZIPPED_BYTES:,} more "
            f"than the {MAX_UNZIPPED_BYTES:,} that Lambda takes for a function with all its layers. The "
            f"largest parts:\n{largest({layer.name: entry})}\n"
            "Leave out what the function does not import, or package it as a container image"
        )
    return findings


def smoke_tree(layer: LayerSpec, target: Target, trees: Mapping[str, Path], python: Path, run: Runner) -> SmokeResult:
    """Make a layer's smoke call, and check that what it imports is compiled."""
    result = run_smoke(layer, target, trees, python, run)
    if result.outcome == "run":
        # Another CPU may import a module or two that the recording one did not; on the same CPU it must match.
        check_compiled(layer, target, result, load_modules(layer, target))
    return result


def manifest_entry(
    digest: str, findings: Findings, archive: Path | None, entries: Sequence[Entry], smoke: str
) -> ManifestEntry:
    """What a build came to, as the manifest keeps it; without an archive, as far as it got."""
    return ManifestEntry(
        digest=digest,
        artifact_sha256=file_sha256(archive) if archive else "",
        content_sha256=content_sha256(entries),
        zip_bytes=archive.stat().st_size if archive else 0,
        unzipped_bytes=findings.unzipped_bytes,
        distributions=dict(findings.distributions),
        assets=dict(findings.assets),
        glibc=findings.glibc,
        smoke=smoke,
    )


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
    with disk_errors(f"verifying layer {layer.name} for {target}", interpreters.BUILD_DIR):
        return _verify(layer, target, archive, compiler=compiler, run=run)


def _verify(
    layer: LayerSpec, target: Target, archive: Path | None, *, compiler: str | None, run: Runner | None
) -> ManifestEntry:
    digest = layer_digest(layer, target, compiler)
    archive = _there(layer, target, archive or archive_path(digest))
    run = run or Processes(Log(interpreters.BUILD_DIR / f"{digest}.log"))
    interpreter = find_interpreter(checked_compiler(target, compiler))
    with tempfile.TemporaryDirectory(prefix="strata-verify-") as folder:
        trees: dict[str, Path] = {}
        for one in before(layer):
            trees[one.name] = Path(folder) / one.name
            read_entries(_there(one, target, archive_path(layer_digest(one, target, compiler))), trees[one.name])
        tree = Path(folder) / layer.name
        entries = read_entries(archive, tree)
        check_hygiene(archive, entries)
        findings = check_tree(layer, target, tree, before=trees)
        check_records(tree / PYTHON, packages(tree / PYTHON), entries)
        smoke = smoke_tree(layer, target, {**trees, layer.name: tree}, interpreter, run)
    entry = manifest_entry(digest, findings, archive, entries, smoke.outcome)
    check_reproduced(layer, target, entry)
    return entry


def archive_path(digest: str) -> Path:
    """Where the archive of a digest is kept on this machine, if it was built here."""
    return interpreters.BUILD_DIR / "layers" / f"{digest}.zip"


def _there(layer: LayerSpec, target: Target, archive: Path) -> Path:
    if not archive.is_file():
        raise LayerBuildError(
            f"layer {layer.name} has not been built for {target} ({archive} is missing): run "
            f"`{build_command(layer.name, target)}`"
        )
    return archive


def check_reproduced(layer: LayerSpec, target: Target, entry: ManifestEntry) -> None:
    """Compare with the committed manifest: the same digest has to mean the same bytes, on any machine.

    Raises:
        LayerBuildError: it does not.
    """
    known = committed_entry(layer, target, entry.digest)
    if known is not None and known.artifact_sha256 != entry.artifact_sha256:
        inside = "the same files in another zip" if known.content_sha256 == entry.content_sha256 else "other files"
        raise LayerBuildError(
            f"layer {layer.name} for {target} was built to {entry.artifact_sha256[:16]}…, and manifest.json has "
            f"{known.artifact_sha256[:16]}… for the same digest ({inside}). Something outside the digest has changed "
            "its bytes: an interpreter that is patched, a builder whose FORMAT should have been raised, or, with "
            "`source` in layer.toml, a newer build requirement, since those are not locked"
        )


def _check_locked(layer: LayerSpec, target: Target, installed: list[Package]) -> None:
    pins = {pin.name: pin.version for pin in load_lock(layer, target).pins}
    found = {package.name: package.version for package in installed}
    for name in sorted(set(pins) | set(found)):
        if not _same_version(pins.get(name), found.get(name)):
            raise LayerBuildError(
                f"package {name} of layer {layer.name} is {found.get(name) or 'not there'}, and the lock for {target} "
                f"says {pins.get(name) or 'nothing of it'}: build again"
            )


def _same_version(locked: str | None, installed: str | None) -> bool:
    if locked is None or installed is None:
        return False
    from packaging.version import Version  # noqa: PLC0415 - not for a preview

    return Version(locked) == Version(installed)


def _check_native_files(
    target: Target, tree: Path, installed: list[Package], before: Mapping[str, Path]
) -> tuple[str, list[str]]:
    whose = owners(installed)
    newest: tuple[int, int] | None = None
    needed: dict[str, str] = {}
    files = tree_files(tree)
    everything = [files, *(tree_files(other) for other in before.values())]
    here = {file.rpartition("/")[2] for some in everything for file in some}
    for file in files:
        if not is_native(tree / file):
            continue
        package = str(whose.get(file.removeprefix(f"{PYTHON}/"), "(asset)"))
        native = check_native(tree / file, package, target, here)
        newest = max(filter(None, (newest, native.glibc)), default=None)
        needed |= dict.fromkeys(native.needed, f"package {package}: {file}")
    notes = [
        f"{where} is linked with {library}, which is neither in the layer nor known to be in the runtime"
        for library, where in sorted(needed.items())
        if library not in here and not PROVIDED.fullmatch(library)
    ]
    return ("-" if newest is None else ".".join(map(str, newest))), notes


def _check_apart(layer: LayerSpec, tree: Path, before: Mapping[str, Path]) -> None:
    files = set(tree_files(tree)) if before else set[str]()
    for name, other in before.items():
        for file in sorted(files.intersection(tree_files(other))):
            ours, theirs = (_whose(one, file) for one in (tree, other))
            raise LayerBuildError(
                f"{file} is {ours} of layer {layer.name} and {theirs} of layer {name}, which it comes `after`: one "
                "would be unpacked over the other. Leave one of the packages out (`without` in layer.toml) or the "
                "file (`drop`), or give the asset another `path`"
            )


def _whose(tree: Path, file: str) -> str:
    package = owners(packages(tree / PYTHON)).get(file.removeprefix(f"{PYTHON}/"))
    return f"package {package}'s" if package else "an asset"


def _check_assets(layer: LayerSpec, tree: Path) -> dict[str, int]:
    declared = {asset.path: asset for asset in layer.assets}
    outside = [file for file in tree_files(tree) if not file.startswith(f"{PYTHON}/")]
    for path in sorted(set(outside) | set(declared)):
        asset = declared.get(path)
        if asset is None:
            raise LayerBuildError(f"layer {layer.name} holds {path}, which is no package's and no asset of layer.toml")
        if path not in outside or file_sha256(tree / path) != asset.sha256:
            raise LayerBuildError(
                f"asset {path} of layer {layer.name} is missing, or is not the file that layer.toml declares"
            )
    return {path: asset.size for path, asset in declared.items()}
