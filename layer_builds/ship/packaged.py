"""The packages of a built layer, read from the metadata that it carries (`.dist-info`)."""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.metadata import parse_email

from layer_builds.build.tree import PYTHON
from layer_builds.plan import LayerBuildError, normal_name
from layer_builds.ship.declared import Licence, component_licence, parse_licence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MAX_METADATA_BYTES = 4_000_000
_INFO = re.compile(rf"{PYTHON}/(?P<info>[^/]+\.dist-info)/(?P<file>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Something compiled into a package, as the package's own SBOM lists it (PEP 770)."""

    name: str
    version: str
    type: str
    """CycloneDX's word for what it is."""
    purl: str
    licence: Licence


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """One distribution of a built layer."""

    name: str
    """Normalised."""
    version: str
    summary: str
    licence: Licence
    texts: tuple[str, ...]
    """Paths of licence texts that the layer carries for it."""
    embedded: tuple[Embedded, ...]


def read_packages(archive: Path) -> list[Packaged]:
    """Read the metadata of all distributions of a built layer, by name.

    Args:
        archive: A zip that `build` made; `verify` is what checks one of unknown origin.

    Raises:
        LayerBuildError: it is not readable, or a package carries no metadata.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            infos: dict[str, dict[str, zipfile.ZipInfo]] = {}
            for entry in file.infolist():
                found = _INFO.fullmatch(entry.filename)
                if found is not None:
                    infos.setdefault(found["info"], {})[found["file"]] = entry
            return sorted(
                (_package(file, info, files) for info, files in infos.items()), key=lambda one: (one.name, one.version)
            )
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, struct.error, ValueError) as error:
        raise LayerBuildError(f"{archive.name} cannot be read as a layer ({error}): build it again") from None


def _package(file: zipfile.ZipFile, info: str, files: Mapping[str, zipfile.ZipInfo]) -> Packaged:
    if "METADATA" not in files:
        raise LayerBuildError(f"{info} has no METADATA: its wheel is broken")
    metadata, _ = parse_email(_content(file, files["METADATA"]))
    name, version = metadata.get("name"), metadata.get("version")
    if not name or not version:
        raise LayerBuildError(f"{info}/METADATA names no package or no version: its wheel is broken")
    sboms = {
        files[path].filename: _content(file, files[path])
        for path in sorted(files)
        if path.startswith("sboms/") and path.endswith(".json")
    }
    embedded = {(one.name, one.version): one for one in _embedded(sboms)}
    texts = sorted(
        files[path].filename
        for path in files
        if path.startswith("licenses/") or re.fullmatch(r"(?i)(licen[cs]e|copying|notice|unlicense)[^/]*", path)
    )
    return Packaged(
        name=normal_name(name),
        version=version,
        summary=metadata.get("summary", ""),
        licence=parse_licence(metadata),
        texts=tuple(texts),
        embedded=tuple(embedded[key] for key in sorted(embedded)),
    )


def _embedded(sboms: Mapping[str, bytes]) -> Iterator[Embedded]:
    for path, content in sboms.items():
        try:
            components = json.loads(content)["components"]
            for component in components:
                # What only built the wheel is not in it.
                if component.get("scope") != "excluded":
                    yield Embedded(
                        name=str(component["name"]),
                        version=str(component.get("version", "")),
                        type=str(component["type"]),
                        purl=str(component.get("purl", "")),
                        licence=component_licence(_names(component.get("licenses", []))),
                    )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LayerBuildError(
                f"{path} is not a CycloneDX document ({type(error).__name__}: {error}): its wheel is broken"
            ) from None


def _names(licences: list[dict[str, Any]]) -> set[str]:
    """https://cyclonedx.org/docs/1.6/json/#components_items_licenses: an expression, or licences by id or name."""
    found = ({**one, **one.get("license", {})} for one in licences)
    return {str(one.get("expression") or one.get("id") or one["name"]) for one in found}


def _content(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise LayerBuildError(f"{entry.filename} is packed with method {entry.compress_type}: layers use 0 and 8")
    with file.open(entry) as stream:
        data = stream.read(_MAX_METADATA_BYTES + 1)
    if len(data) > _MAX_METADATA_BYTES:
        raise LayerBuildError(f"{entry.filename} is larger than {_MAX_METADATA_BYTES:,} bytes: its wheel is broken")
    return data
