"""What every system of a stack stands on: account, artifact bucket, layers, and the common settings.

Owns that a layer is published once per runtime and architecture, however many functions attach it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from components.account import current_account
from components.artifact_bucket import ArtifactBucket, ArtifactBucketArgs
from components.layer import PythonLayer, PythonLayerArgs

if TYPE_CHECKING:
    from pulumi import Input

    from components.settings import Settings
    from layer_builds import LayerSpec, Target


class Foundation:
    """The shared resources of one stack. Not a component: it has no resource of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.account = current_account()
        self.artifact_bucket: Input[str] = (
            settings.layers.bucket
            if settings.layers.bucket is not None
            else ArtifactBucket("artifacts", ArtifactBucketArgs(kms_key_arn=settings.secrets.kms_key_arn)).bucket_name
        )
        self._layers: dict[tuple[str, str], PythonLayer] = {}

    def layer(self, spec: LayerSpec, target: Target) -> PythonLayer:
        """Return the published layer, publishing it for the first function that asks.

        Args:
            spec: The layer.
            target: The function's runtime and architecture.
        """
        key = (spec.name, str(target))
        if key not in self._layers:
            args = PythonLayerArgs(
                layer=spec,
                target=target,
                bucket=self.artifact_bucket,
                account_id=self.account.account_id,
                region=self.account.region,
                builder=self.settings.layers.builder,
                compiler=self.settings.layers.compiler,
                keep_versions=self.settings.layers.keep_versions,
                profile=self.settings.profile,
            )
            self._layers[key] = PythonLayer(f"{spec.name}-{target.tag.replace('_', '-')}", args)
        return self._layers[key]

    def exports(self) -> dict[str, Input[object]]:
        """Return the stack's outputs about what is shared. A layer for two targets is listed with its target."""
        names = [name for name, _ in self._layers]
        layers = {
            name if names.count(name) == 1 else f"{name}-{layer.target.tag}": layer.exports()
            for (name, _), layer in self._layers.items()
        }
        return {"artifact_bucket": self.artifact_bucket, "layers": layers}


def service_name(system: str) -> str:
    """Return a function's name in metrics and logs: stacks in one account do not mix."""
    return f"{pulumi.get_project()}-{pulumi.get_stack()}-{system}"
