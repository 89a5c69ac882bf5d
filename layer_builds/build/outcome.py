"""What a build came to: its entry of the manifest, held against the committed one, and written."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from layer_builds.host.folders import build_dir
from layer_builds.plan import Manifest, ManifestEntry, OtherBytesError, committed_entry, load_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from layer_builds.build.archive import Entry
    from layer_builds.build.checks import Findings
    from layer_builds.build.finished import BuiltLayer
    from layer_builds.plan import LayerSpec, Target


def manifest_entry(
    digest: str, findings: Findings, archive: Path, entries: Sequence[Entry], smoke: str
) -> ManifestEntry:
    """What a build came to, as the manifest keeps it."""
    from layer_builds.build.archive import content_sha256
    from layer_builds.host.disk import file_sha256

    return ManifestEntry(
        digest=digest,
        artifact_sha256=file_sha256(archive),
        content_sha256=content_sha256(entries),
        zip_bytes=archive.stat().st_size,
        unzipped_bytes=findings.unzipped_bytes,
        distributions=dict(findings.distributions),
        assets=dict(findings.assets),
        glibc=findings.glibc,
        smoke=smoke,
    )


def check_reproduced(layer: LayerSpec, target: Target, entry: ManifestEntry) -> None:
    """Compare with the committed manifest: the same digest has to mean the same bytes, on any machine.

    Raises:
        OtherBytesError: it does not.
    """
    known = committed_entry(layer, target, entry.digest)
    if known is not None and known.artifact_sha256 != entry.artifact_sha256:
        inside = "the same files in another zip" if known.content_sha256 == entry.content_sha256 else "other files"
        raise OtherBytesError(
            f"layer {layer.name} for {target} was built to {entry.artifact_sha256[:16]}…, and manifest.json has "
            f"{known.artifact_sha256[:16]}… for the same digest ({inside}). Something outside the digest has changed "
            "its bytes: an interpreter that is patched, a builder whose FORMAT should have been raised, or, with "
            "`source` in layer.toml, a newer build requirement, since those are not locked"
        )


def update_manifest(layer: LayerSpec, built: Sequence[BuiltLayer]) -> bool:
    """Write what was built into the layer's manifest; say whether the file changed.

    An entry whose smoke call ran is not replaced by the same build from a machine on which it could not. Another
    process may be building the layer for another target: each waits for the other, and keeps its entry.
    """
    if _merged(layer, built) is None:
        return False
    from layer_builds.host.guards import guarded

    with guarded(build_dir() / f"{layer.name}-manifest.guard"):
        text = _merged(layer, built)
        if text is None:
            return False
        staged = layer.manifest_path.with_suffix(f".json.{os.getpid()}")
        staged.write_text(text, encoding="utf-8", newline="\n")
        staged.replace(layer.manifest_path)
        return True


def _merged(layer: LayerSpec, built: Sequence[BuiltLayer]) -> str | None:
    """The manifest's text with what was built; None when that is what it says."""
    manifest = load_manifest(layer)
    entries = {name: entry for name, entry in manifest.entries.items() if name in set(map(str, layer.targets))}
    for one in built:
        known = entries.get(str(one.target))
        entry = one.entry
        if known is not None and known.artifact_sha256 == entry.artifact_sha256 and _better(known.smoke, entry.smoke):
            entry = replace(entry, smoke=known.smoke)
        entries[str(one.target)] = entry
    text = Manifest(layer.name, entries).text()
    path = layer.manifest_path
    return None if path.is_file() and path.read_text(encoding="utf-8") == text else text


def _better(known: str, new: str) -> bool:
    def rank(smoke: str) -> int:
        return 2 if smoke == "run" else 0 if smoke.startswith("not run") else 1

    return rank(known) > rank(new)
