"""`manifest.json`: what building a layer came to, committed beside it, so that a preview can count without building."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from layer_builds.plan.errors import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from layer_builds.plan.spec import LayerSpec
    from layer_builds.plan.targets import Target


@dataclass(frozen=True, slots=True)
class Distribution:
    """A package's share of a layer."""

    version: str
    bytes: int
    """Unzipped, its bytecode with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One target's build."""

    digest: str
    artifact_sha256: str
    """Of the zip."""
    content_sha256: str
    """Of what is in it, whatever compressed it: see `archive.content_sha256`."""
    zip_bytes: int
    unzipped_bytes: int
    distributions: Mapping[str, Distribution]
    assets: Mapping[str, int] = field(default_factory=dict[str, int])
    """Path → bytes."""
    glibc: str
    """The newest glibc that a file in it asks for, `-` when it holds no native code."""
    smoke: str
    """`run`, `qemu-aarch64`, or `not run: <why>`."""

    def document(self) -> dict[str, Any]:
        """As it is written to the file."""
        return {
            **{one.name: getattr(self, one.name) for one in fields(self)},
            "distributions": {name: asdict(one) for name, one in sorted(self.distributions.items())},
            "assets": dict(sorted(self.assets.items())),
        }


@dataclass(frozen=True, slots=True)
class Manifest:
    """All entries of one layer; always for the pinned compilers."""

    layer: str
    entries: Mapping[str, ManifestEntry]

    def entry(self, target: Target) -> ManifestEntry:
        """The entry of one target.

        Raises:
            LayerBuildError: there is none; with the command that makes it.
        """
        try:
            return self.entries[str(target)]
        except KeyError:
            raise LayerBuildError(
                f"layer {self.layer} has no manifest entry for {target}: run `{build_command(self.layer, target)}` "
                "and commit manifest.json"
            ) from None

    def text(self) -> str:
        """The file: sorted, so that a rebuild which changes nothing changes no byte."""
        document = {name: entry.document() for name, entry in sorted(self.entries.items())}
        return json.dumps(document, indent=1) + "\n"


def load_manifest(layer: LayerSpec) -> Manifest:
    """Read a layer's manifest; one that is not there yet has no entries.

    Raises:
        LayerBuildError: the file is damaged.
    """
    path = layer.manifest_path
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        entries = {str(name): parse_entry(cast("dict[str, Any]", value)) for name, value in data.items()}
    except FileNotFoundError:
        return Manifest(layer.name, MappingProxyType({}))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LayerBuildError(
            f"{path} is damaged ({type(error).__name__}: {error}): run "
            f"`python -m layer_builds build {layer.name} --all` after deleting it, and commit it"
        ) from None
    return Manifest(layer.name, MappingProxyType(entries))


def committed_entry(layer: LayerSpec, target: Target, digest: str) -> ManifestEntry | None:
    """The entry of a target if it is of that digest: what a build of it has to come to, on any machine."""
    known = load_manifest(layer).entries.get(str(target))
    return known if known is not None and known.digest == digest else None


def build_command(layer: str, target: Target) -> str:
    """The command that builds one layer for one target and writes its manifest entry."""
    return f"python -m layer_builds build {layer} --runtime {target.runtime} --architecture {target.architecture}"


def parse_entry(value: dict[str, Any]) -> ManifestEntry:
    """Read one entry as `ManifestEntry.document` writes it; ValueError, KeyError or TypeError when it is not one."""
    for key in ("digest", "artifact_sha256", "content_sha256"):
        if not re.fullmatch(r"[0-9a-f]{64}", value[key]):
            raise ValueError(f"{key} is not a SHA-256")
    distributions = {
        name: Distribution(str(one["version"]), int(one["bytes"])) for name, one in value["distributions"].items()
    }
    return ManifestEntry(
        digest=value["digest"],
        artifact_sha256=value["artifact_sha256"],
        content_sha256=value["content_sha256"],
        zip_bytes=int(value["zip_bytes"]),
        unzipped_bytes=int(value["unzipped_bytes"]),
        distributions=MappingProxyType(distributions),
        assets=MappingProxyType({str(name): int(size) for name, size in value["assets"].items()}),
        glibc=str(value["glibc"]),
        smoke=str(value["smoke"]),
    )
