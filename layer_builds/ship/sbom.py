"""`sbom`: what a built layer is made of, as CycloneDX 1.6, for scanners and for whoever asks.

Owns the mapping from a layer to the standard's words; the format itself, and checking what is written against its
schema, are the official library's. What wheels say they have compiled in (PEP 770) is nested below them.

The same layer gives the same document: no time of writing in it, and a serial number made from the archive's hash.
"""

# The library's decorators hide what its constructors take.
# pyright: reportCallIssue=false, reportReturnType=false, reportArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_supported_id
from packageurl import PackageURL
from packaging.version import Version

from layer_builds.build.unpacking import read_entries
from layer_builds.host.disk import file_sha256
from layer_builds.plan import FORMAT, LayerBuildError, load_layer, load_lock
from layer_builds.ship.packaged import Embedded, Packaged, read_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cyclonedx.model.bom_ref import BomRef
    from cyclonedx.model.license import License

    from layer_builds.build.finished import BuiltLayer
    from layer_builds.plan import Asset, LayerSpec, Lock, Pin, Target
    from layer_builds.ship.declared import Licence

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
    lock, packages = load_lock(layer, target), read_packages(archive)
    _check_locked(layer, target, lock, packages)
    pins = {pin.name: pin for pin in lock.pins}
    contents = {entry.path: entry.sha256 for entry in read_entries(archive, limit=layer.max_bytes)}
    components = {one.name: _component(one, pins.get(one.name)) for one in packages}
    assets = [_asset(one, contents) for one in layer.assets]
    artifact = file_sha256(archive)
    root = Component(
        name=layer.name,
        type=ComponentType.APPLICATION,
        version=digest,
        bom_ref=f"layer:{layer.name}",
        description=layer.description or None,
        hashes=_sha256(artifact),
        properties=_properties({"runtime": target.runtime, "architecture": target.architecture}),
    )
    tool = Component(name="strata layer_builds", type=ComponentType.APPLICATION, version=f"format {FORMAT}")
    metadata = BomMetaData(component=root, tools=ToolRepository(components=[tool]))
    metadata.timestamp = None  # optional in the standard
    document = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, artifact),
        metadata=metadata,
        components=[*components.values(), *assets],
        dependencies=_dependencies(root, lock, components, assets),
    )
    text = JsonV1Dot6(document).output_as_string(indent=1) + "\n"
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
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise LayerBuildError(f"the SBOM is not CycloneDX 1.6: {str(problem)[:500]}")


def _dependencies(
    root: Component, lock: Lock, components: Mapping[str, Component], assets: Sequence[Component]
) -> list[Dependency]:
    """What requires what, as the lock says it."""
    requires: dict[str, list[Component]] = {name: [] for name in components}
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
    return [Dependency(_ref(one), [Dependency(_ref(other)) for other in needed]) for one, needed in edges]


def _ref(component: Component) -> BomRef:
    # Any: the property's own type is partly unknown.
    return cast("Any", component).bom_ref


def _component(package: Packaged, pin: Pin | None) -> Component:
    purl = PackageURL("pypi", name=package.name, version=package.version)
    return Component(
        name=package.name,
        type=ComponentType.LIBRARY,
        version=package.version,
        bom_ref=str(purl),
        purl=purl,
        description=package.summary or None,
        # Of the locked wheel: what a scanner or an index can compare. In the layer it is pruned and compiled.
        hashes=_sha256(pin.sha256) if pin else [],
        licenses=_licences(package.licence),
        properties=_properties({"wheel": pin.file} if pin else {"local": "a package of this repository"}),
        components=_nested(package, str(purl)),
    )


def _nested(package: Packaged, parent: str) -> list[Component]:
    """What is compiled into the package, under references that are unique in ours."""
    try:
        return [_inner(one, parent) for one in package.embedded]
    except ValueError as error:
        raise LayerBuildError(
            f"an SBOM of package {package.name} {package.version} has a component that CycloneDX does not know "
            f"({error}): its wheel is broken"
        ) from None


def _inner(inner: Embedded, parent: str) -> Component:
    return Component(
        name=inner.name,
        type=ComponentType(inner.type),
        version=inner.version or None,
        bom_ref=f"{parent}#{inner.purl or f'{inner.name}@{inner.version}'}",
        purl=PackageURL.from_string(inner.purl) if inner.purl else None,
        licenses=_licences(inner.licence),
    )


def _asset(asset: Asset, contents: Mapping[str, str]) -> Component:
    if contents.get(asset.path) != asset.sha256:
        raise LayerBuildError(
            f"asset {asset.path} is not in the archive as layer.toml declares it: build the layer again"
        )
    return Component(
        name=asset.path,
        type=ComponentType.DATA,
        bom_ref=f"asset:{asset.path}",
        hashes=_sha256(asset.sha256),
        properties=_properties({"from": asset.url or f"{asset.wheel} ({asset.member})"}),
    )


def _licences(licence: Licence) -> list[License]:
    if licence.source == "nothing":
        return []
    if licence.spdx and is_supported_id(licence.name):
        return [DisjunctiveLicense(id=licence.name)]
    return [LicenseExpression(licence.name) if licence.spdx else DisjunctiveLicense(name=licence.name)]


def _sha256(digest: str) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=digest)]


def _properties(values: Mapping[str, str]) -> list[Property]:
    return [Property(name=f"strata:{name}", value=value) for name, value in values.items() if value]


def _check_locked(layer: LayerSpec, target: Target, lock: Lock, packages: Sequence[Packaged]) -> None:
    locked = {(pin.name, Version(pin.version)) for pin in lock.pins}
    locked |= {(one.name, Version(one.version)) for one in layer.local_packages()}
    built = {(one.name, Version(one.version)) for one in packages}
    if locked != built:
        names = ", ".join(sorted({f"{name} {version}" for name, version in locked ^ built}))
        raise LayerBuildError(
            f"the archive of layer {layer.name} for {target} is not of its lock, they differ in {names}: build it again"
        )
