"""`sbom`: what a built layer is made of, as CycloneDX 1.6, for scanners and for whoever asks.

Owns the mapping from a layer to the standard's words; the format itself, and checking what is written against its
schema, are the official library's. What wheels say they have compiled in (PEP 770) is nested below them.

The same layer gives the same document: no time of writing in it, and a serial number made from the archive's hash.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from layer_builds.archive import file_sha256, read_entries
from layer_builds.digest import FORMAT
from layer_builds.errors import LayerBuildError
from layer_builds.licences import Licence, Packaged, component_licence, cyclonedx, read_bom, read_packages
from layer_builds.locks import load_lock
from layer_builds.spec import load_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from layer_builds.build import BuiltLayer
    from layer_builds.locks import Lock, Pin
    from layer_builds.spec import Asset, LayerSpec
    from layer_builds.targets import Target

_NAMESPACE = uuid.UUID("ebc82c8e-7e96-4bf0-b227-1cc842751060")
"""Of serial numbers; random, and fixed once."""


def layer_sbom(layer: LayerSpec, target: Target, archive: Path, digest: str) -> str:
    """The SBOM of a built layer.

    Args:
        layer: What was built.
        target: For which runtime and architecture.
        archive: The zip.
        digest: The layer's, which is its version.

    Returns:
        CycloneDX 1.6 in JSON, checked against its schema, with a newline at the end.

    Raises:
        LayerBuildError: the archive is damaged or not of the lock.
    """
    cdx = cyclonedx()
    lock, packages = load_lock(layer, target), read_packages(archive)
    _check_locked(layer, target, lock, packages)
    pins = {pin.name: pin for pin in lock.pins}
    contents = {entry.path: entry.sha256 for entry in read_entries(archive)}
    components = {one.name: _component(one, pins[one.name]) for one in packages}
    assets = [_asset(one, contents) for one in layer.assets]
    artifact = file_sha256(archive)
    root = cdx.Component(
        name=layer.name,
        type=cdx.ComponentType.APPLICATION,
        version=digest,
        bom_ref=f"layer:{layer.name}",
        description=layer.description or None,
        hashes=_sha256(artifact),
        properties=_properties({"runtime": target.runtime, "architecture": target.architecture}),
    )
    tool = cdx.Component(name="strata layer_builds", type=cdx.ComponentType.APPLICATION, version=f"format {FORMAT}")
    metadata = cdx.BomMetaData(component=root, tools=cdx.ToolRepository(components=[tool]))
    metadata.timestamp = None  # optional in the standard
    document = cdx.Bom(
        serial_number=uuid.uuid5(_NAMESPACE, artifact),
        metadata=metadata,
        components=[*components.values(), *assets],
        dependencies=_dependencies(root, lock, components, assets),
    )
    text = cdx.JsonV1Dot6(document).output_as_string(indent=1) + "\n"
    check_sbom(text)
    return text


def write_sboms(built: Iterable[BuiltLayer], folder: Path) -> list[Path]:
    """Write the SBOM of each layer to `<layer>-<target>.cdx.json`.

    Returns:
        The files, in the order of the layers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for one in built:
        path = folder / f"{one.layer}-{one.target}.cdx.json"
        document = layer_sbom(load_layer(one.layer), one.target, one.path, one.digest)
        path.write_text(document, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def check_sbom(text: str) -> None:
    """Check a document against the schema of CycloneDX 1.6, strictly.

    Raises:
        LayerBuildError: it does not match; with the library's words.
    """
    cdx = cyclonedx()
    problem = cdx.JsonStrictValidator(cdx.SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise LayerBuildError(f"the SBOM is not CycloneDX 1.6: {str(problem)[:500]}")


def _dependencies(root: Any, lock: Lock, components: Mapping[str, Any], assets: Sequence[Any]) -> list[Any]:
    """What requires what, as the lock says it."""
    cdx = cyclonedx()
    requires: dict[str, list[Any]] = {name: [] for name in components}
    direct = list(assets)
    for pin in lock.pins:
        parents = [name for name in pin.via if name in components]
        for parent in parents:
            requires[parent].append(components[pin.name])
        # What only another layer of the function asks for counts as asked for by this one.
        if "requirements.in" in pin.via or not parents:
            direct.append(components[pin.name])
    edges = [(root, direct), *((components[name], needed) for name, needed in requires.items())]
    edges += [(asset, []) for asset in assets]
    return [cdx.Dependency(one.bom_ref, [cdx.Dependency(other.bom_ref) for other in needed]) for one, needed in edges]


def _component(package: Packaged, pin: Pin) -> Any:
    cdx = cyclonedx()
    purl = cdx.PackageURL("pypi", name=package.name, version=package.version)
    return cdx.Component(
        name=package.name,
        type=cdx.ComponentType.LIBRARY,
        version=package.version,
        bom_ref=str(purl),
        purl=purl,
        description=package.summary or None,
        # Of the locked wheel: what a scanner or an index can compare. In the layer it is pruned and compiled.
        hashes=_sha256(pin.sha256),
        licenses=_licences(package.licence),
        properties=_properties({"wheel": pin.file}),
        components=_nested(package, str(purl)),
    )


def _nested(package: Packaged, parent: str) -> list[Any]:
    """What the package's own SBOMs list, under references that are unique in ours."""
    cdx = cyclonedx()
    found: dict[str, Any] = {}
    for path, content in package.sboms.items():
        for inner in read_bom(content, path).components:
            reference = f"{parent}#{inner.purl or f'{inner.name}@{inner.version}'}"
            found[reference] = cdx.Component(
                name=inner.name,
                type=inner.type,
                version=inner.version,
                bom_ref=reference,
                purl=inner.purl,
                scope=inner.scope,
                hashes=inner.hashes,
                licenses=_licences(component_licence(inner.licenses)),
            )
    return [found[reference] for reference in sorted(found)]


def _asset(asset: Asset, contents: Mapping[str, str]) -> Any:
    if contents.get(asset.path) != asset.sha256:
        raise LayerBuildError(
            f"asset {asset.path} is not in the archive as layer.toml declares it: build the layer again"
        )
    cdx = cyclonedx()
    return cdx.Component(
        name=asset.path,
        type=cdx.ComponentType.DATA,
        bom_ref=f"asset:{asset.path}",
        hashes=_sha256(asset.sha256),
        properties=_properties({"from": asset.url or f"{asset.wheel} ({asset.member})"}),
    )


def _licences(licence: Licence) -> list[Any]:
    cdx = cyclonedx()
    if licence.source == "nothing":
        return []
    if licence.spdx and cdx.is_supported_id(licence.name):
        return [cdx.DisjunctiveLicense(id=licence.name)]
    return [cdx.LicenseExpression(licence.name) if licence.spdx else cdx.DisjunctiveLicense(name=licence.name)]


def _sha256(digest: str) -> list[Any]:
    cdx = cyclonedx()
    return [cdx.HashType(alg=cdx.HashAlgorithm.SHA_256, content=digest)]


def _properties(values: Mapping[str, str]) -> list[Any]:
    return [cyclonedx().Property(name=f"strata:{name}", value=value) for name, value in values.items() if value]


def _check_locked(layer: LayerSpec, target: Target, lock: Lock, packages: Sequence[Packaged]) -> None:
    locked = {(pin.name, Version(pin.version)) for pin in lock.pins}
    built = {(one.name, Version(one.version)) for one in packages}
    if locked != built:
        names = ", ".join(sorted({f"{name} {version}" for name, version in locked ^ built}))
        raise LayerBuildError(
            f"the archive of layer {layer.name} for {target} is not of its lock, they differ in {names}: build it again"
        )
