"""Small pieces that component tests put together: called inside a running program only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import ResourceOptions

from components.code import CodePackage
from components.function import LambdaFunction, LambdaFunctionArgs
from components.layer import PythonLayer, PythonLayerArgs
from layer_builds import LayerSpec, Target
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Program, Registered

TARGET = Target("python3.13", "arm64")
CODE = CodePackage({"lambdas/__init__.py": "", "lambdas/worker/handler.py": "def handler(event, context): ...\n"})


class Owner(pulumi.ComponentResource):
    """Stands for a system."""

    def __init__(self, name: str = "owner") -> None:
        super().__init__("tests:index:Owner", name)
        self.register_outputs({})


def function_args(**changes: Any) -> LambdaFunctionArgs:
    values: dict[str, Any] = {
        "code": CODE,
        "handler": "lambdas.worker.handler.handler",
        "target": TARGET,
        "memory_mb": 256,
        "timeout_seconds": 60,
        "log_retention_days": 30,
    }
    return LambdaFunctionArgs(**{**values, **changes})


def function(name: str = "worker", **changes: Any) -> LambdaFunction:
    return LambdaFunction(name, function_args(**changes))


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
    children = [one for one in program.resources if one.parent == component.urn]
    assert children
    for child in children:
        request = child.request
        # pulumi-aws gives some types an alias of its own, by type.
        assert not [alias for alias in request.aliases if alias.spec.name], child.name
        assert not request.ignoreChanges, child.name
        assert not request.retainOnDelete, child.name
        assert not request.deleteBeforeReplace, child.name


def running_target() -> Target:
    """The target of the Python that runs the tests."""
    return Target(f"python{sys.version_info[0]}.{sys.version_info[1]}", "arm64")
