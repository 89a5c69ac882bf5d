"""Where things are in the repository, and what a layer's archive is called in the artifact bucket."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
"""The folder of Pulumi.yaml."""
LAYERS_DIR = REPOSITORY / "layer_builds" / "layers"
"""The project's own layers."""


def artifact_key(layer: str, digest: str) -> str:
    """The archive's key in the artifact bucket."""
    return f"layers/{layer}/{digest}.zip"
