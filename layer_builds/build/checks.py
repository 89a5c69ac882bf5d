"""Would this layer work in Lambda? Every file against the target, the whole against the limits, and a real call.

Owns the checks of a layer's content. It fixes nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.build.archive import tree_files
from layer_builds.build.elf import PROVIDED, check_native, is_native
from layer_builds.build.natives import what_they_ask
from layer_builds.build.smoke import SmokeResult, check_compiled, run_smoke
from layer_builds.build.tree import PYTHON, owners, package_bytes, packages
from layer_builds.host.disk import file_sha256
from layer_builds.plan import (
    Contents,
    Distribution,
    LayerBuildError,
    largest,
    load_lock,
    load_modules,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from layer_builds.build.earlier import Earlier
    from layer_builds.build.made import Made
    from layer_builds.build.records import Fingerprint
    from layer_builds.build.tree import Package
    from layer_builds.host.processes import Runner
    from layer_builds.plan import LayerSpec, Target


@dataclass(frozen=True, slots=True)
class Findings:
    """What the checks of a layer's files came to."""

    distributions: Mapping[str, Distribution]
    assets: Mapping[str, int]
    unzipped_bytes: int
    glibc: str
    """The newest that any file asks for; `-` without native code."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What is in a layer's folder."""

    tree: Path
    paths: Sequence[str]
    natives: Sequence[str]
    """Those of them that are native code."""
    before: Mapping[str, Sequence[str]]
    """Earlier layers → what is in theirs."""


def check_tree(
    layer: LayerSpec,
    target: Target,
    tree: Path,
    *,
    before: Mapping[str, Earlier],
    known: Mapping[str, Fingerprint],
    made: Made,
    natives: Collection[str] | None = None,
) -> Findings:
    """Check an unpacked layer, all but the bytes of its packages' files: see `check_records`.

    Args:
        layer: What it should be.
        target: What it should run on.
        tree: The folder that is /opt.
        before: Layers that are attached with it, which may hold libraries that it links.
        known: Fingerprints of files below python/, where they are known.
        made: What is known of contents.
        natives: Those of the files below python/ that are native code; None looks at each.

    Raises:
        LayerBuildError: a package is not as locked, or for the wrong CPU or glibc; an asset is not as declared; a file
            is in an earlier layer as well; or the whole is more than Lambda takes.
    """
    from layer_builds.build.tags import check_tags  # takes a while to load, and the smoke call is under way

    python = tree / PYTHON
    installed = packages(python)
    _check_locked(layer, target, installed)
    for package in installed:
        check_tags(str(package), package.tags, target)
    sizes = {file: os.stat(f"{tree}/{file}").st_size for file in tree_files(tree)}  # noqa: PTH116 - thousands of times
    native = [
        file
        for file in sizes
        if (
            is_native(tree / file)
            if natives is None or not file.startswith(f"{PYTHON}/")
            else file.removeprefix(f"{PYTHON}/") in natives
        )
    ]
    files = _Files(tree, list(sizes), native, {name: other.files() for name, other in before.items()})
    newest = _check_native_files(target, files, installed, known=known, made=made)
    assets = _check_assets(layer, files)
    _check_apart(layer, files, before)
    packaged = package_bytes(installed, {file.removeprefix(f"{PYTHON}/"): size for file, size in sizes.items()})
    distributions = {one.name: Distribution(one.version, packaged[one.name]) for one in installed}
    unzipped = sum(sizes.values())
    findings = Findings(distributions, assets, unzipped, newest)
    check_size(layer, target, findings, unzipped)
    return findings


def check_size(layer: LayerSpec, target: Target, contents: Contents, unzipped: int) -> None:
    """Refuse a layer that is larger than all that a function may carry.

    Raises:
        LayerBuildError: with the largest packages.
    """
    if unzipped > layer.max_bytes:
        whole = "in a container image" if layer.for_images else "for a function with all its layers"
        raise LayerBuildError(
            f"layer {layer.name} is {unzipped:,} bytes unzipped for {target}, {unzipped - layer.max_bytes:,} more "
            f"than the {layer.max_bytes:,} that Lambda takes {whole}. The "
            f"largest parts:\n{largest({layer.name: contents})}\n"
            "Leave out what the function does not import, or package it as a container image (`for_images` in "
            "layer.toml)"
        )


def smoke_tree(
    layer: LayerSpec, target: Target, tree: Path, *, before: Mapping[str, Earlier], python: Path, run: Runner
) -> SmokeResult:
    """Make a layer's smoke call on top of those before it, and check that what it imports is compiled."""
    trees = {name: other.tree() for name, other in before.items()}
    result = run_smoke(layer, target, {**trees, layer.name: tree}, python, run)
    if result.outcome == "run":
        # Another CPU may import a module or two that the listing one did not; on the same CPU it must match.
        check_compiled(layer, target, result, load_modules(layer, target))
    return result


def _check_locked(layer: LayerSpec, target: Target, installed: list[Package]) -> None:
    pins = {pin.name: pin.version for pin in load_lock(layer, target).pins}
    pins |= {local.name: local.version for local in layer.local_packages()}
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
    from packaging.version import Version

    return Version(locked) == Version(installed)


def _check_native_files(
    target: Target, files: _Files, installed: list[Package], *, known: Mapping[str, Fingerprint], made: Made
) -> str:
    whose = owners(installed)
    newest: tuple[int, int] | None = None
    needed: dict[str, str] = {}
    here = {file.rpartition("/")[2] for some in (files.paths, *files.before.values()) for file in some}
    natives = {file: str(whose.get(file.removeprefix(f"{PYTHON}/"), "(asset)")) for file in files.natives}
    prints = {f"{PYTHON}/{file}": one for file, one in known.items()}
    asked = what_they_ask(files.tree, natives, prints, made)
    for file, package in natives.items():
        native = check_native(files.tree / file, package, target, here, asked[file])
        newest = max(filter(None, (newest, native.glibc)), default=None)
        needed |= dict.fromkeys(native.needed, f"package {package}: {file}")
    for library, where in sorted(needed.items()):
        if library not in here and not PROVIDED.fullmatch(library):
            raise LayerBuildError(
                f"{where} is linked with {library}, which is neither in the layer nor in Lambda's runtime: it would "
                "fail to load there. Require a build of the package that brings its libraries along (for example "
                "`psycopg[binary]`, `opencv-python-headless`), or, when nothing uses this file, leave it out (`drop` "
                "in layer.toml)"
            )
    return "-" if newest is None else ".".join(map(str, newest))


def _check_apart(layer: LayerSpec, files: _Files, before: Mapping[str, Earlier]) -> None:
    for name, others in files.before.items():
        for file in sorted(set(files.paths).intersection(others)):
            ours, theirs = (_whose(one, file) for one in (files.tree, before[name].tree()))
            raise LayerBuildError(
                f"{file} is {ours} of layer {layer.name} and {theirs} of layer {name}, which it comes `after`: one "
                "would be unpacked over the other. Leave one of the packages out (`without` in layer.toml) or the "
                "file (`drop`), or give the asset another `path`"
            )


def _whose(tree: Path, file: str) -> str:
    package = owners(packages(tree / PYTHON)).get(file.removeprefix(f"{PYTHON}/"))
    return f"package {package}'s" if package else "an asset"


def _check_assets(layer: LayerSpec, files: _Files) -> dict[str, int]:
    declared = {asset.path: asset for asset in layer.assets}
    outside = [file for file in files.paths if not file.startswith(f"{PYTHON}/")]
    for path in sorted(set(outside) | set(declared)):
        asset = declared.get(path)
        if asset is None:
            raise LayerBuildError(f"layer {layer.name} holds {path}, which is no package's and no asset of layer.toml")
        if path not in outside or file_sha256(files.tree / path) != asset.sha256:
            raise LayerBuildError(
                f"asset {path} of layer {layer.name} is missing, or is not the file that layer.toml declares"
            )
    return {path: asset.size for path, asset in declared.items()}
