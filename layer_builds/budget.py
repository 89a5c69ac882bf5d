"""What a function may carry, checked from committed files: five layers, 262,144,000 bytes, no package twice.

Limits: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from layer_builds.digest import layer_digest
from layer_builds.errors import LayerBuildError
from layer_builds.manifest import ManifestEntry, build_command, load_manifest
from layer_builds.spec import before

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from layer_builds.spec import LayerSpec
    from layer_builds.targets import Target

MAX_LAYERS = 5
MAX_UNZIPPED_BYTES = 262_144_000
"""Function code and all its layers together, unzipped."""
_TABLE_ROWS = 10


def check_function_budget(function_name: str, code_bytes: int, layers: Iterable[LayerSpec], target: Target) -> None:
    """Refuse a function that Lambda would refuse, or that would break when it runs, before anything is built.

    Args:
        function_name: For messages.
        code_bytes: Of the function's own files, unzipped.
        layers: In the order they are attached: a later one is unpacked over an earlier one.
        target: The function's runtime and architecture, which all its layers are built for.

    Raises:
        LayerBuildError: a sixth layer; a missing or stale lock or manifest entry; a package in two layers; a layer
            without the ones it comes after; more bytes than Lambda takes, with the largest packages.
    """
    attached = list(layers)
    _check_count(function_name, attached)
    _check_order(function_name, attached)
    entries = {layer.name: current_entry(layer, target) for layer in attached}
    check_overlap(entries, function_name)
    total = code_bytes + sum(entry.unzipped_bytes for entry in entries.values())
    if total > MAX_UNZIPPED_BYTES:
        raise LayerBuildError(
            f"function {function_name} and its layers are {total:,} bytes unzipped for {target}, "
            f"{total - MAX_UNZIPPED_BYTES:,} more than Lambda's {MAX_UNZIPPED_BYTES:,}. The largest parts:\n"
            f"{largest(entries, {'(function code)': code_bytes})}\n"
            "Leave out what the function does not import (`without` in layer.toml for what the runtime has, such as "
            'boto3; `bytecode = "none"`), split the function, or package it as a container image'
        )


def current_entry(layer: LayerSpec, target: Target) -> ManifestEntry:
    """The manifest entry, checked to be of what the committed inputs would build today."""
    digest = layer_digest(layer, target)
    entry = load_manifest(layer).entry(target)
    if entry.digest != digest:
        raise LayerBuildError(
            f"the manifest of layer {layer.name} for {target} is of digest {entry.digest[:12]}…, and its locks and "
            f"layer.toml now make {digest[:12]}…: run `{build_command(layer.name, target)}` and commit manifest.json"
        )
    return entry


def check_overlap(entries: Mapping[str, ManifestEntry], function_name: str = "") -> None:
    """Refuse a distribution or an asset that two layers hold: they are unpacked over each other, and files would mix.

    Files of different distributions are compared when a layer is built, with those that it comes `after`; the manifest
    does not list files, so two layers that are not joined so can still share one.
    """
    used = f" (used together by function {function_name})" if function_name else ""
    for (first, one), (second, two) in combinations(entries.items(), 2):
        for name in sorted(set(one.distributions) & set(two.distributions)):
            versions = {one.distributions[name].version, two.distributions[name].version}
            raise LayerBuildError(
                f"package {name} ({' and '.join(sorted(versions))}) is in layer {first} and in layer {second}{used}: "
                f'they would be unpacked over each other. Add `after = ["{first}"]` to layer.toml of {second}, which '
                f"leaves out what {first} has, and run `python -m layer_builds lock {second}`"
            )
        for path in sorted(set(one.assets) & set(two.assets)):
            raise LayerBuildError(
                f"asset {path} is in layer {first} and in layer {second}{used}: one would be unpacked over the other. "
                f"Give it another `path` in layer.toml of {second}, or declare it in {first} alone"
            )


def largest(entries: Mapping[str, ManifestEntry], more: Mapping[str, int] | None = None) -> str:
    """A table of the largest packages and assets, for an error: megabytes, name and version, layer."""
    rows: list[tuple[int, str, str]] = [(size, name, "") for name, size in (more or {}).items()]
    for layer, entry in entries.items():
        rows += [(one.bytes, f"{name} {one.version}", layer) for name, one in entry.distributions.items()]
        rows += [(size, path, layer) for path, size in entry.assets.items()]
    rows.sort(key=lambda row: (-row[0], row[1]))
    return "\n".join(f"  {size / 1e6:8.1f} MB  {name:<40} {layer}".rstrip() for size, name, layer in rows[:_TABLE_ROWS])


def _check_count(function_name: str, layers: Sequence[LayerSpec]) -> None:
    names = [layer.name for layer in layers]
    if len(names) > MAX_LAYERS:
        raise LayerBuildError(
            f"function {function_name} has {len(names)} layers ({', '.join(names)}) and Lambda takes {MAX_LAYERS}: "
            "put the requirements of two of them into one layer"
        )
    for name in names:
        if names.count(name) > 1:
            raise LayerBuildError(f"function {function_name} names layer {name} twice")


def _check_order(function_name: str, layers: Sequence[LayerSpec]) -> None:
    names = [layer.name for layer in layers]
    for index, layer in enumerate(layers):
        for needed in before(layer):
            if needed.name not in names[:index]:
                raise LayerBuildError(
                    f"function {function_name} has layer {layer.name} without {needed.name} before it: {layer.name} "
                    f"leaves out what {needed.name} holds (`after` in its layer.toml). Name {needed.name} first"
                )
