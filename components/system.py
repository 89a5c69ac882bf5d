"""What every system is made of before its trigger: its code and layers, checked, and its function.

Owns the way from a section of the stack's config to a `LambdaFunction`, and what `__main__` has to know of a system.
Which secrets, permissions, variables and trigger a function gets is said in `systems/<name>.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import pulumi

from components import limits
from components.alarms import METRICS_NAMESPACE
from components.code import REPOSITORY, CodePackage, code_package
from components.foundation import service_name
from components.function import LambdaFunction, LambdaFunctionArgs
from components.function_settings import FunctionSettings
from components.layer import physical_layer_name
from components.settings import PROJECT, logical_name
from components.validation import SettingsError
from layer_builds import LAYERS_DIR, LayerSpec, check_function_budget, load_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pulumi import Input, ResourceOptions

    from components.foundation import Foundation
    from components.policies import Statement

S = TypeVar("S", bound=FunctionSettings)
Exports = dict[str, "Input[object]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemArgs(Generic[S]):
    """What a system is made of: read and checked before anything is registered."""

    name: str
    """Of the config section, the folder in `lambdas/` and the stack's output: `extract_text`."""
    settings: S
    code: CodePackage
    layers: tuple[LayerSpec, ...]
    """In the order in which they are attached."""

    def __post_init__(self) -> None:
        check_function_budget(self.name, self.code.bytes, self.layers, self.settings.target)


def system_args(
    name: str, layers: Sequence[str], settings: S, *, repository: Path = REPOSITORY, layers_root: Path = LAYERS_DIR
) -> SystemArgs[S]:
    """Read a function's code and layers from the repository.

    Args:
        name: The folder in `lambdas/`.
        layers: Names of the layers, in the order in which they are attached.
        settings: The system's section of the stack's config.
        repository: Where the code is.
        layers_root: Where the layers are.

    Raises:
        LayerBuildError: a layer is not locked or built for this target, or the function would be too large.
    """
    return SystemArgs(
        name=name,
        settings=settings,
        code=code_package(name, repository),
        layers=tuple(load_layer(layer, root=layers_root) for layer in layers),
    )


def system_function(
    name: str,
    args: SystemArgs[S],
    foundation: Foundation,
    *,
    environment: Mapping[str, Input[str]],
    statements: Sequence[Statement] = (),
    opts: ResourceOptions | None = None,
) -> LambdaFunction:
    """Register a system's function as its config says.

    Args:
        name: The logical name.
        args: Code, layers and config.
        foundation: Where the layers are published, and the settings of all functions.
        environment: The function's own variables; config's extra ones and those that all functions get are added.
        statements: What the code calls.
        opts: The system's options for children.
    """
    settings, observability = args.settings, foundation.settings.observability
    return LambdaFunction(
        name,
        LambdaFunctionArgs(
            code=args.code,
            handler=f"lambdas.{args.name}.handler.handler",
            target=settings.target,
            layers=[foundation.layer(layer, settings.target) for layer in args.layers],
            environment=whole_environment(name, settings, environment),
            statements=statements,
            memory_mb=settings.memory_mb,
            timeout_seconds=settings.timeout_seconds,
            reserved_concurrency=settings.reserved_concurrency,
            log_retention_days=observability.log_retention_days,
            live_version=settings.live_version,
            alarm_topic_arn=observability.alarm_topic_arn,
            permissions_boundary_arn=foundation.settings.roles.permissions_boundary_arn,
        ),
        opts,
    )


def whole_environment(name: str, settings: FunctionSettings, own: Mapping[str, Input[str]]) -> dict[str, Input[str]]:
    """Return a function's variables but for those of its layers.

    Args:
        name: The logical name.
        settings: The system's section; its extra variables are in it.
        own: What the system sets.
    """
    return {
        **settings.environment,
        **own,
        "POWERTOOLS_SERVICE_NAME": service_name(name),
        "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
        "STRATA_STACK": pulumi.get_stack(),
    }


class Deployed(Protocol):
    """A system's component."""

    def exports(self) -> Exports:
        """Return the stack's output about its function."""
        ...


@dataclass(frozen=True, slots=True)
class System(Generic[S]):
    """One system, as `systems/registry.py` lists it."""

    model: type[S]
    """Of its config section."""
    layers: tuple[str, ...]
    """In the order in which they are attached."""
    component: Callable[[str, SystemArgs[S], Foundation], Deployed]
    planned_environment: Callable[[S], Mapping[str, Input[str]]]
    """The function's own variables before anything is registered, so that their size is checked with the rest."""

    def prepare(self, name: str, settings: FunctionSettings) -> Callable[[Foundation], Exports]:
        """Check everything that can be checked without registering anything.

        Args:
            name: Of the config section.
            settings: The section, read.

        Returns:
            What registers the system, and returns the stack's output about it.

        Raises:
            LayerBuildError: as `system_args`.
            SettingsError: The function's variables are too large, or the name of one of its layers is too long.
        """
        if not isinstance(settings, self.model):
            raise TypeError(f"system {name} is configured by {self.model.__name__}, not {type(settings).__name__}")
        args = system_args(name, self.layers, settings)
        try:
            self._check_limits(args)
        except ValueError as wrong:
            raise SettingsError([f"{PROJECT}:{name}: {wrong}"]) from None
        return lambda foundation: self.component(logical_name(name), args, foundation).exports()

    def _check_limits(self, args: SystemArgs[S]) -> None:
        """Refuse with ValueError what AWS would refuse in the middle of a deployment."""
        own = self.planned_environment(args.settings)
        from_layers = {key: value for layer in args.layers for key, value in layer.environment.items()}
        limits.check_environment({**from_layers, **whole_environment(logical_name(args.name), args.settings, own)})
        for layer in args.layers:
            physical_layer_name(layer.name, args.settings.target)
