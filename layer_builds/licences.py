"""`licences`: under which licence each package of a built layer is, and which of them oblige somebody to something.

Owns reading the metadata of what is really in the archive (`.dist-info`, and the lists of compiled-in components that
wheels carry in `.dist-info/sboms`), and sorting licences into kinds. What a kind means for a product is for people:
this names what they have to look at, and is no legal advice.

The kinds come from ScanCode's categories, as the `license-expression` package ships them.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from importlib import import_module, resources
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from layer_builds.errors import LayerBuildError
from layer_builds.tree import PYTHON

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from packaging.metadata import RawMetadata

KINDS = ("permissive", "weak copyleft", "strong copyleft", "network copyleft", "restricted", "unknown")
"""From what asks least to what asks most; `unknown` is last since nothing can be said of it."""
FLAGGED = KINDS[1:]
REFUSED = KINDS[2:]
"""Kinds that fail the command by default. Weak copyleft (MPL, LGPL, EPL) is shown and passes: it binds who changes the
package itself."""

_CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "Permissive": "permissive",
        "Public Domain": "permissive",
        "Copyleft Limited": "weak copyleft",
        "Copyleft": "strong copyleft",
        "Source-available": "restricted",
        "Proprietary Free": "restricted",
        "Free Restricted": "restricted",
        "Commercial": "restricted",
    }
)
# What people write into `License` and what classifiers are called → SPDX. Keys are as `_plain` leaves them.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "0bsd": "0BSD",
        "apache": "Apache-2.0",
        "apache 2": "Apache-2.0",
        "apache 2.0": "Apache-2.0",
        "apache2": "Apache-2.0",
        "asl 2.0": "Apache-2.0",
        "bsd 2 clause": "BSD-2-Clause",
        "simplified bsd": "BSD-2-Clause",
        "bsd 3 clause": "BSD-3-Clause",
        "3 clause bsd": "BSD-3-Clause",
        "modified bsd": "BSD-3-Clause",
        "new bsd": "BSD-3-Clause",
        "bsl 1.0": "BSL-1.0",
        "cc0 1.0": "CC0-1.0",
        "cddl 1.0": "CDDL-1.0",
        "epl 1.0": "EPL-1.0",
        "epl 2.0": "EPL-2.0",
        "eupl 1.1": "EUPL-1.1",
        "eupl 1.2": "EUPL-1.2",
        "expat": "MIT",
        "hpnd": "HPND",
        "isc": "ISC",
        "iscl": "ISC",
        "mit": "MIT",
        "mit 0": "MIT-0",
        "mozilla public 2.0": "MPL-2.0",
        "mpl 1.1": "MPL-1.1",
        "mpl 2.0": "MPL-2.0",
        "mpl2": "MPL-2.0",
        "psf": "PSF-2.0",
        "python foundation": "PSF-2.0",
        "unlicense": "Unlicense",
        "wtfpl": "WTFPL",
        "zlib": "Zlib",
        "zlib libpng": "Zlib",
        "zpl 2.1": "ZPL-2.1",
    }
)
# Too vague for an SPDX identifier, and still clear enough to sort.
_VAGUE: Mapping[str, str] = MappingProxyType(
    {
        "bsd": "permissive",
        "public domain": "permissive",
        "lgpl": "weak copyleft",
        "mpl": "weak copyleft",
        "gpl": "strong copyleft",
        "agpl": "network copyleft",
        "other proprietary": "restricted",
        "proprietary": "restricted",
        "commercial": "restricted",
    }
)
_GNU_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "affero general public": "agpl",
        "lesser general public": "lgpl",
        "library general public": "lgpl",
        "general public": "gpl",
        "gnu ": "",
    }
)
_GNU = re.compile(r"(a|l|)gpl ?v?(\d)(?:\.(\d))?( ?\+| or later)?(?: only)?")
_NETWORK = re.compile(r"AGPL-|OSL-|EUPL-|SSPL-|CPAL-|RPL-")
_FILLER = re.compile(r"\b(the|a|licen[cs]ed?|under|software|terms|of|version|open source|osi approved)\b")
_LONGEST_NAME = 100
"""Characters; a `License` field that is longer holds the text of a licence and not its name."""
_SUPPLY = "`licences` and `sbom` need the packages of the group `supply`: run `make env`, or `uv sync --group supply`"
_CYCLONEDX: Mapping[str, str] = MappingProxyType(
    {
        "Bom": "cyclonedx.model.bom",
        "BomMetaData": "cyclonedx.model.bom",
        "Component": "cyclonedx.model.component",
        "ComponentType": "cyclonedx.model.component",
        "Dependency": "cyclonedx.model.dependency",
        "DisjunctiveLicense": "cyclonedx.model.license",
        "HashAlgorithm": "cyclonedx.model",
        "HashType": "cyclonedx.model",
        "JsonStrictValidator": "cyclonedx.validation.json",
        "JsonV1Dot6": "cyclonedx.output.json",
        "LicenseExpression": "cyclonedx.model.license",
        "PackageURL": "packageurl",
        "Property": "cyclonedx.model",
        "SchemaVersion": "cyclonedx.schema",
        "ToolRepository": "cyclonedx.model.tool",
        "is_supported_id": "cyclonedx.spdx",
    }
)
_MAX_METADATA_BYTES = 4_000_000
_INFO = re.compile(rf"{PYTHON}/(?P<info>[^/]+\.dist-info)/(?P<file>.+)")


@dataclass(frozen=True, slots=True)
class Licence:
    """What a package says about itself, understood as far as it can be."""

    name: str
    """SPDX expression where `spdx`, else the words that were found."""
    spdx: bool
    kind: str
    """One of `KINDS`."""
    source: str
    """`License-Expression`, `License`, `classifiers`, or `nothing`."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Something compiled into a package, as the package's own SBOM lists it (PEP 770)."""

    name: str
    version: str
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
    sboms: Mapping[str, bytes]
    """Its own SBOMs: path in the archive → content."""


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


def parse_licence(metadata: RawMetadata) -> Licence:
    """The licence of one package's metadata: the expression, else the free text, else the classifiers.

    https://packaging.python.org/en/latest/specifications/core-metadata/#license-expression
    """
    expression = metadata.get("license_expression", "")
    if expression:
        spdx = spdx_expression(expression)
        if spdx is not None:
            return Licence(spdx, spdx=True, kind=kind_of(spdx), source="License-Expression")
        return Licence(expression[:_LONGEST_NAME], spdx=False, kind="unknown", source="License-Expression")
    written = metadata.get("license", "").strip()
    line = written.splitlines()[0].strip() if written else ""
    named = _named(line) if len(line) <= _LONGEST_NAME else None
    if named is not None:
        return Licence(*named, source="License")
    found = sorted({one for name in metadata.get("classifiers", []) if (one := _classified(name)) is not None})
    if found:
        # Several can mean "and" or "or": nobody says which, so the strictest counts.
        kind = max((kind for _, _, kind in found), key=KINDS.index)
        return Licence(
            " AND ".join(name for name, _, _ in found), all(spdx for _, spdx, _ in found), kind, "classifiers"
        )
    if line and len(written) <= _LONGEST_NAME:
        return Licence(line, spdx=False, kind="unknown", source="License")
    return Licence("(none given)", spdx=False, kind="unknown", source="nothing")


@cache
def spdx_expression(text: str) -> str | None:
    """Text as a canonical SPDX expression; None when it is none."""
    from license_expression import ExpressionError, ExpressionParseError  # noqa: PLC0415 - `_spdx` says why

    try:
        parsed = _spdx().parse(text, validate=True, strict=True)
    except (ExpressionError, ExpressionParseError, AttributeError, LookupError, TypeError, ValueError, RecursionError):
        # license-expression 30.4 raises AttributeError for `MIT/Apache-2.0` and IndexError for `()`.
        return None
    return None if parsed is None else str(parsed)


@cache
def kind_of(expression: str) -> str:
    """The kind of an SPDX expression: of `OR` the least demanding (it may be chosen), of `AND` the most demanding.

    An exception (`GPL-2.0-only WITH Classpath-exception-2.0`) replaces the kind of the licence it relaxes.
    """
    return _kind(_spdx().parse(expression))


def group_equal(
    reports: Iterable[tuple[str, str, Sequence[Packaged]]],
) -> list[tuple[str, list[str], Sequence[Packaged]]]:
    """Reports of (layer, target, packages), those of one layer that say the same joined: (layer, targets, packages)."""
    joined: list[tuple[str, list[str], Sequence[Packaged]]] = []
    for layer, target, packages in reports:
        for known, targets, rows in joined:
            if known == layer and document(rows) == document(packages):
                targets.append(target)
                break
        else:
            joined.append((layer, [target], packages))
    return joined


def text(layer: str, targets: Sequence[str], packages: Sequence[Packaged]) -> str:
    """The report for people: what asks most first, then by name."""
    rows = [(one.name, one.version, one.licence.name, one.licence.kind, one.licence.source) for one in packages]
    rows.sort(key=lambda row: (-KINDS.index(row[3]), row[0]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)] if rows else [0] * 4
    lines = [f"{layer} ({', '.join(targets)}): {len(rows)} packages"]
    for row in rows:
        shown = "".join(f"{cell:<{width + 2}}" for cell, width in zip(row, widths, strict=False))
        lines.append(f"  {'!' if row[3] in FLAGGED else ' '} {shown}{row[4]}")
    for one in packages:
        flagged = [inner for inner in one.embedded if inner.licence.kind in FLAGGED]
        if one.embedded:
            rest = "; flagged:" if flagged else ", none of them flagged"
            lines.append(f"  compiled into {one.name} {one.version}: {len(one.embedded)} components{rest}")
        lines += [
            f"  ! {inner.name} {inner.version}: {inner.licence.name} ({inner.licence.kind})"
            for inner in sorted(flagged, key=lambda inner: (-KINDS.index(inner.licence.kind), inner.name))
        ]
    without = [one.name for one in packages if not one.texts]
    if without:
        lines.append(f"  without the text of their licence in the layer: {', '.join(without)}")
    return "\n".join(lines)


def document(packages: Sequence[Packaged]) -> list[dict[str, Any]]:
    """The same for programs."""

    def licence(one: Licence) -> dict[str, Any]:
        return {"licence": one.name, "spdx": one.spdx, "kind": one.kind, "source": one.source}

    return [
        {
            "name": one.name,
            "version": one.version,
            **licence(one.licence),
            "texts": list(one.texts),
            "embedded": [
                {"name": inner.name, "version": inner.version, **licence(inner.licence)} for inner in one.embedded
            ],
        }
        for one in packages
    ]


def refused(
    packages: Iterable[Packaged], kinds: Collection[str] = REFUSED, accepted: Collection[str] = ()
) -> list[str]:
    """What fails the command, in words: packages, and what is compiled into them, of those kinds and not accepted."""
    found: list[str] = []
    names = {canonicalize_name(name) for name in accepted}
    for one in packages:
        if one.name in names:
            continue
        if one.licence.kind in kinds:
            found.append(f"{one.name} {one.version}: {one.licence.name} ({one.licence.kind})")
        found += [
            f"{inner.name} {inner.version}, compiled into {one.name}: {inner.licence.name} ({inner.licence.kind})"
            for inner in one.embedded
            if inner.licence.kind in kinds and canonicalize_name(inner.name) not in names
        ]
    return found


def show(
    reports: Sequence[tuple[str, str, Sequence[Packaged]]],
    *,
    fail_on: Collection[str] | None,
    accepted: Collection[str],
    as_json: bool,
) -> int:
    """Print the reports of (layer, target, packages); 1 when something in them is of a kind that is refused.

    Args:
        reports: Of finished layers.
        fail_on: First words of kinds (`weak`, `network`); None is `REFUSED`.
        accepted: Packages that somebody has looked at.
        as_json: For programs.
    """
    kinds = REFUSED if fail_on is None else [kind for kind in KINDS if kind.split()[0] in fail_on]
    found = {one: None for _, _, packages in reports for one in refused(packages, kinds, accepted)}
    if as_json:
        rows = [
            {"layer": layer, "target": target, "packages": document(packages)} for layer, target, packages in reports
        ]
        print(json.dumps({"layers": rows, "refused": list(found)}, indent=1))
        return 1 if found else 0
    for layer, targets, packages in group_equal(reports):
        print(text(layer, targets, packages) + "\n")
    for one in found:
        print(f"refused: {one}")
    if found:
        print(
            "Replace the package, or have somebody who may decide look at it: then `--accept PACKAGE`. Fails: "
            + ", ".join(kinds)
        )
    return 1 if found else 0


@cache
def cyclonedx() -> Any:
    """The classes of the CycloneDX library. Without types: its decorators hide what their constructors take."""
    try:
        library = {name: getattr(import_module(module), name) for name, module in _CYCLONEDX.items()}
    except ImportError:
        raise LayerBuildError(_SUPPLY) from None
    return SimpleNamespace(**library)


def read_bom(content: bytes, where: str) -> Any:
    """Read an SBOM that a package brought.

    Raises:
        LayerBuildError: it is not CycloneDX in JSON.
    """
    bom = cyclonedx().Bom
    try:
        return bom.from_json(json.loads(content))
    except Exception as error:  # noqa: BLE001 - the library raises what it meets, of its own and of others' types
        raise LayerBuildError(f"{where} is no CycloneDX document ({type(error).__name__}: {error})") from None


def component_licence(licences: Iterable[Any]) -> Licence:
    """The licence of a component in an SBOM; several count together."""
    names = sorted({str(getattr(one, "value", None) or getattr(one, "id", None) or one.name) for one in licences})
    if not names:
        return Licence("(none given)", spdx=False, kind="unknown", source="nothing")
    # Cargo's older form of "or".
    spdx = [spdx_expression(name.replace("/", " OR ")) for name in names]
    known = [one for one in spdx if one is not None]
    if len(known) != len(names):
        return Licence(" AND ".join(names), spdx=False, kind="unknown", source="SBOM")
    whole = known[0] if len(known) == 1 else " AND ".join(f"({one})" for one in known)
    return Licence(whole, spdx=True, kind=kind_of(whole), source="SBOM")


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
    texts = sorted(
        files[path].filename
        for path in files
        if path.startswith("licenses/") or re.fullmatch(r"(?i)(licen[cs]e|copying|notice|unlicense)[^/]*", path)
    )
    return Packaged(
        name=canonicalize_name(name),
        version=version,
        summary=metadata.get("summary", ""),
        licence=parse_licence(metadata),
        texts=tuple(texts),
        embedded=tuple(_embedded(sboms)),
        sboms=MappingProxyType(sboms),
    )


def _embedded(sboms: Mapping[str, bytes]) -> list[Embedded]:
    found: dict[tuple[str, str], Embedded] = {}
    for path, content in sboms.items():
        for component in read_bom(content, path).components:
            # What only built the wheel is not in it.
            if component.scope is not None and component.scope.value == "excluded":
                continue
            key = (str(component.name), str(component.version or ""))
            found[key] = Embedded(*key, component_licence(component.licenses))
    return [found[key] for key in sorted(found)]


def _content(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise LayerBuildError(f"{entry.filename} is packed with method {entry.compress_type}: layers use 0 and 8")
    with file.open(entry) as stream:
        data = stream.read(_MAX_METADATA_BYTES + 1)
    if len(data) > _MAX_METADATA_BYTES:
        raise LayerBuildError(f"{entry.filename} is larger than {_MAX_METADATA_BYTES:,} bytes: its wheel is broken")
    return data


def _named(text: str) -> tuple[str, bool, str] | None:
    """(name, whether it is SPDX, kind) of a licence's name as people write it."""
    # `GNU General Public License v3 or later (GPLv3+)`: what is in brackets often says it shortest.
    bracket = re.search(r"\(([^()]+)\)", text)
    candidates = [text, *([bracket[1]] if bracket else []), re.sub(r"\([^()]*\)", "", text).strip()]
    if text.upper() in {"", "UNKNOWN", "NONE"}:
        return None
    for candidate in candidates:
        spdx = spdx_expression(candidate) or _NAMES.get(_plain(candidate)) or _gnu(_plain(candidate))
        if spdx is not None:
            return spdx, True, kind_of(spdx)
    vague = next((_VAGUE[_plain(one)] for one in candidates if _plain(one) in _VAGUE), None)
    return None if vague is None else (text, False, vague)


def _classified(classifier: str) -> tuple[str, bool, str] | None:
    last = classifier.rpartition("::")[2].strip()
    if not classifier.startswith("License ::") or last in {"OSI Approved", "License"}:
        return None
    return _named(last) or (last, False, "unknown")


def _plain(text: str) -> str:
    short = " ".join(_FILLER.sub(" ", re.sub(r"[^a-z0-9.+]+", " ", text.lower())).split())
    for long, abbreviated in _GNU_NAMES.items():
        short = short.replace(long, abbreviated)
    words = re.sub(r"\bv(?=\d)", "", short).split()
    # `The MIT License (MIT)` says it twice.
    return " ".join(word for index, word in enumerate(words) if index == 0 or word != words[index - 1])


def _gnu(plain: str) -> str | None:
    found = _GNU.fullmatch(plain)
    if found is None:
        return None
    later = "or-later" if found[4] else "only"
    return spdx_expression(f"{found[1].upper()}GPL-{found[2]}.{found[3] or 0}-{later}")


def _kind(parsed: Any) -> str:
    operator = str(getattr(parsed, "operator", "")).strip()
    if operator in {"AND", "OR"}:
        kinds = [_kind(one) for one in parsed.args]
        return (max if operator == "AND" else min)(kinds, key=KINDS.index)
    exception = getattr(parsed, "exception_symbol", None)
    return _symbol_kind(str(exception.key if exception is not None else parsed.key))


def _symbol_kind(key: str) -> str:
    return "network copyleft" if _NETWORK.match(key) else _categories().get(key.lower(), "unknown")


@cache
def _spdx() -> Any:
    """The parser of SPDX expressions; reading its list of licences takes a moment, so once."""
    try:
        from license_expression import get_spdx_licensing  # noqa: PLC0415 - in the group `supply`
    except ImportError:
        raise LayerBuildError(_SUPPLY) from None
    return get_spdx_licensing()


@cache
def _categories() -> Mapping[str, str]:
    """SPDX identifier, lower case → kind."""
    index = resources.files("license_expression") / "data" / "scancode-licensedb-index.json"
    found: dict[str, str] = {}
    for one in cast("list[dict[str, Any]]", json.loads(index.read_text(encoding="utf-8"))):
        for key in (one.get("spdx_license_key"), *one.get("other_spdx_license_keys", [])):
            if key:
                found[str(key).lower()] = _CATEGORIES.get(str(one.get("category")), "unknown")
    return MappingProxyType(found)
