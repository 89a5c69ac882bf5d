"""Small pieces that component tests put together: called inside a running program only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import ResourceOptions

from components.code_package import CodePackage
from components.function import LambdaFunction, LambdaFunctionArgs
from components.function_settings import FunctionSettings
from components.layer import PythonLayer, PythonLayerArgs
from components.package import Package
from layer_builds.plan import LayerSpec, Target
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.harness import Program, Registered

GO_WITH_THEIR_BUCKET = {
    f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}"
    for kind in (
        "BucketPublicAccessBlock",
        "BucketServerSideEncryptionConfiguration",
        "BucketPolicy",
        "BucketVersioning",
        "BucketLifecycleConfiguration",
        "BucketCorsConfiguration",
    )
}
"""Of themselves retained when a stack is destroyed, since S3 forgets them with the bucket."""
TARGET = Target("python3.13", "arm64")
CODE = CodePackage({"lambdas/__init__.py": "", "lambdas/worker/handler.py": "def handler(event, context): ...\n"})


class Owner(pulumi.ComponentResource):
    """Stands for a system."""

    def __init__(self, name: str = "owner") -> None:
        super().__init__("tests:index:Owner", name)
        self.register_outputs({})


def package(layers: Sequence[LayerSpec] = (), **changes: Any) -> Package:
    values: dict[str, Any] = {
        "system": "worker",
        "kind": "zip",
        "handler": "lambdas.worker.handler.handler",
        "code": CODE,
        "layers": tuple(layers),
        "target": TARGET,
    }
    return Package(**{**values, **changes})


def function_args(layers: Sequence[PythonLayer] = (), **changes: Any) -> LambdaFunctionArgs:
    """Arguments of a function; what is a key of every function's config goes into its settings."""
    keys = {
        key: changes.pop(key) for key in list(changes) if key in FunctionSettings.model_fields and key != "environment"
    }
    settings = FunctionSettings.model_validate({"memory_mb": 256, "timeout_seconds": 60, **keys})
    values: dict[str, Any] = {
        "package": package([layer.spec for layer in layers]),
        "settings": settings,
        "layers": layers,
        "log_retention_days": 30,
    }
    return LambdaFunctionArgs(**{**values, **changes})


def function(name: str = "worker", opts: ResourceOptions | None = None, **changes: Any) -> LambdaFunction:
    return LambdaFunction(name, function_args(**changes), opts)


def layer_args(layer: LayerSpec, **changes: Any) -> PythonLayerArgs:
    values: dict[str, Any] = {
        "layer": layer,
        "target": TARGET,
        "bucket": "artifacts-bucket",
        "account_id": ACCOUNT,
        "region": REGION,
    }
    return PythonLayerArgs(**{**values, **changes})


def layer(spec: LayerSpec, **changes: Any) -> PythonLayer:
    return PythonLayer(f"{spec.name}-py313-arm64", layer_args(spec, **changes))


def leaky() -> ResourceOptions:
    """Options that belong to one component only: its children must not get them."""
    return ResourceOptions(
        protect=True,
        aliases=[pulumi.Alias(name="old-name")],
        ignore_changes=["tags"],
        retain_on_delete=True,
        delete_before_replace=True,
    )


def assert_nothing_leaked(program: Program, component: Registered) -> None:
    """What `leaky` says holds for the component alone. Protection is inherited by Pulumi's own rule."""
    assert component.request.protect
    children = [child for child in program.resources if child.parent == component.urn]
    assert children
    for child in children:
        request = child.request
        # pulumi-aws gives some types an alias of its own, by type.
        assert not [alias for alias in request.aliases if alias.spec.name], child.name
        assert not request.ignoreChanges, child.name
        assert not request.retainOnDelete or child.type in GO_WITH_THEIR_BUCKET, child.name
        assert not request.deleteBeforeReplace, child.name


def running_target() -> Target:
    """The target of the Python that runs the tests."""
    return Target(f"python{sys.version_info[0]}.{sys.version_info[1]}", "arm64")
