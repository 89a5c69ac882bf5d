"""Layers for tests: real folders with locks and manifests, of packages that do not exist."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.plan import (
    ALL_TARGETS,
    Distribution,
    LayerSpec,
    Lock,
    ManifestEntry,
    Pin,
    layer_digest,
    load_layer,
    lock_inputs,
)

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FixtureLayers:
    """A folder of layers."""

    root: Path

    def add(self, name: str = "openai-pinecone", *, package: str = "", unzipped_bytes: int = 1_000) -> LayerSpec:
        """Write a layer, locked for every target, with a manifest of today's digests."""
        folder = self.root / name
        (folder / "locks").mkdir(parents=True)
        package = package or f"{name}-package"
        toml = 'bytecode = "none"\n[environment]\nTIKTOKEN_CACHE_DIR = "/opt/tiktoken"\n'
        (folder / "layer.toml").write_text(toml)
        (folder / "smoke.py").write_text("def smoke():\n    return {}\n")
        (folder / "requirements.in").write_text(f"{package}\n")
        layer = load_layer(name, root=self.root)
        entries: dict[str, object] = {}
        for target in ALL_TARGETS:
            pin = Pin(package, "1.0", "ab" * 32, f"{package}-1.0-py3-none-any.whl", ("requirements.in",))
            layer.lock_path(target).write_text(Lock(lock_inputs(layer, target), (pin,)).text(target))
            entries[str(target)] = ManifestEntry(
                digest=layer_digest(layer, target),
                artifact_sha256="cd" * 32,
                content_sha256="ef" * 32,
                zip_bytes=unzipped_bytes // 2,
                unzipped_bytes=unzipped_bytes,
                distributions={package: Distribution("1.0", unzipped_bytes)},
                glibc="-",
                smoke="run",
            ).document()
        layer.manifest_path.write_text(json.dumps(entries))
        return layer
