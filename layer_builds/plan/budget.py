"""What a function may carry, checked from committed files: so many layers, so many bytes, no package twice."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Protocol

from layer_builds.plan.digest import layer_digest
from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.layers import layers_before
from layer_builds.plan.limits import MAX_IMAGE_BYTES, MAX_LAYERS, MAX_UNZIPPED_BYTES
from layer_builds.plan.manifest import ManifestEntry, build_command, load_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from layer_builds.plan.manifest import Distribution
    from layer_builds.plan.spec import LayerSpec
    from layer_builds.plan.targets import Target

_TABLE_ROWS = 10


class Contents(Protocol):
    """What fills a layer."""

    @property
    def distributions(self) -> Mapping[str, Distribution]:
        """By name."""
        ...

    @property
    def assets(self) -> Mapping[str, int]:
        """Path → bytes."""
        ...


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
    entries = _entries_together(function_name, attached, target)
    total = code_bytes + sum(entry.unzipped_bytes for entry in entries.values())
    if total > MAX_UNZIPPED_BYTES:
        raise LayerBuildError(
            f"function {function_name} and its layers are {total:,} bytes unzipped for {target}, "
            f"{total - MAX_UNZIPPED_BYTES:,} more than Lambda's {MAX_UNZIPPED_BYTES:,}. The largest parts:\n"
            f"{largest(entries, {'(function code)': code_bytes})}\n"
            "Leave out what the function does not import (`without` in layer.toml for what the runtime has, such as "
            'boto3; `bytecode = "none"`), split the function, or package it as a container image'
        )


def check_image_budget(function_name: str, other_bytes: int, layers: Iterable[LayerSpec], target: Target) -> None:
    """The same for a container image, which has no limit on the number of layers, and takes 10 GB.

    Args:
        function_name: For messages.
        other_bytes: Of the function's own files, and of the folders that are beside the layers' contents.
        layers: In the order in which they are unpacked over each other.
        target: The function's runtime and architecture.

    Raises:
        LayerBuildError: as for a function with layers, but for their number and size.
    """
    entries = _entries_together(function_name, list(layers), target)
    total = other_bytes + sum(entry.unzipped_bytes for entry in entries.values())
    if total > MAX_IMAGE_BYTES:
        raise LayerBuildError(
            f"the image of function {function_name} would be {total:,} bytes for {target} without its base, and Lambda "
            f"takes {MAX_IMAGE_BYTES:,} with it. The largest parts:\n"
            f"{largest(entries, {'(function code and folders)': other_bytes})}\n"
            "Take a smaller model, leave out what the function does not import (`without` in layer.toml), or let it "
            "fetch what is so large from S3 when it starts"
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


def largest(entries: Mapping[str, Contents], more: Mapping[str, int] | None = None) -> str:
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
    for layer in layers:
        if layer.for_images:
            raise LayerBuildError(
                f"function {function_name} is shipped as a zip and names {layer.name}, which is for container images "
                "only (`for_images` in its layer.toml): ship it as an image, or take `for_images` out if it fits"
            )


def _entries_together(function_name: str, layers: Sequence[LayerSpec], target: Target) -> dict[str, ManifestEntry]:
    """The manifest entries of layers that are unpacked over each other, checked to go together."""
    _check_each_once(function_name, layers)
    _check_order(function_name, layers)
    entries = {layer.name: current_entry(layer, target) for layer in layers}
    check_overlap(entries, function_name)
    return entries


def _check_each_once(function_name: str, layers: Sequence[LayerSpec]) -> None:
    names = [layer.name for layer in layers]
    for name in names:
        if names.count(name) > 1:
            raise LayerBuildError(f"function {function_name} names layer {name} twice")


def _check_order(function_name: str, layers: Sequence[LayerSpec]) -> None:
    names = [layer.name for layer in layers]
    for index, layer in enumerate(layers):
        for needed in layers_before(layer):
            if needed.name not in names[:index]:
                raise LayerBuildError(
                    f"function {function_name} has layer {layer.name} without {needed.name} before it: {layer.name} "
                    f"leaves out what {needed.name} holds (`after` in its layer.toml). Name {needed.name} first"
                )
