"""A Lambda function with everything it must not be without: log group, role, traces, versions, alias, alarms.

Owns the function and its alias `live`, which every trigger targets. Triggers attach their own policies to its role.
Which code, layers and secrets it has is decided by a system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import alarms, limits, policies
from components.async_failures import AsyncFailures, AsyncFailuresArgs
from components.function_url import FunctionUrl, FunctionUrlArgs
from components.secret import references, variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulumi import Input

    from components.code_package import CodePackage
    from components.function_settings import FunctionSettings
    from components.layer import PythonLayer
    from components.package import Package
    from components.queue_trigger import QueueTrigger
    from components.secret import FunctionSecret

SERVICE_VARIABLE: Final = "POWERTOOLS_SERVICE_NAME"
LIVE: Final = "live"
"""The alias that all traffic goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaFunctionArgs:
    """What one function is made of."""

    package: Package
    """Code, handler, runtime and architecture."""
    settings: FunctionSettings
    """Size, concurrency, network, live version."""
    layers: Sequence[PythonLayer] = ()
    """In the order in which they are unpacked over each other in /opt. None when the package is an image."""
    image_uri: Input[str] | None = None
    """Of a package that is an image."""
    environment: Mapping[str, Input[str]] = field(default_factory=dict[str, "Input[str]"])
    """Plain variables; those of layers and secrets are added."""
    secrets: Sequence[FunctionSecret] = ()
    """References that the function gets. What reading them needs is in `statements`."""
    statements: Sequence[policies.Statement] = ()
    """What the code calls. Logs, traces and the triggers' needs are added."""
    dead_letters: aws.sqs.Queue | None = None
    """For its asynchronous events, where the function has to know it; else it is made with the first trigger."""
    log_retention_days: int
    alarm_topic_arn: str | None = None
    protect_data: bool = False
    """Its triggers refuse to delete queues, in which messages may wait."""
    permissions_boundary_arn: str | None = None
    """A managed policy that limits the role, whatever its own policies say."""

    def __post_init__(self) -> None:
        limits.check_retention(self.log_retention_days)
        if (self.package.kind == "image") != (self.image_uri is not None):
            raise ValueError(f"the package is a {self.package.kind}: image_uri belongs to images, and only to them")
        if reserved := sorted(set(self.environment) & limits.RESERVED_VARIABLES):
            raise ValueError(f"environment sets {', '.join(reserved)}: Lambda keeps these names for itself")
        limits.check_environment(self.variables)
        target = self.package.target
        if wrong := [layer.spec.name for layer in self.layers if layer.target != target]:
            raise ValueError(f"layers {', '.join(wrong)} are not built for {target}, which the function runs on")

    @property
    def variables(self) -> dict[str, Input[str]]:
        """The whole environment: the layers' variables, the references to secrets, then the function's own."""
        return {**self.package.layer_variables, **variables_of(self.secrets), **self.environment}


class LambdaFunction(pulumi.ComponentResource):
    """A function and its alias `live`. Triggers ask it for what they need, and tell it what they export."""

    def __init__(self, name: str, args: LambdaFunctionArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:LambdaFunction", name, None, opts)
        child = ResourceOptions(parent=self)
        settings = args.settings
        self.logical_name = name
        self.service = args.environment.get(SERVICE_VARIABLE, name)
        """Its name in metrics: the dimension that it emits under, and that alarms look at."""
        self.timeout_seconds = settings.timeout_seconds
        self.reserved_concurrency = settings.reserved_concurrency
        self.log_retention_days = args.log_retention_days
        self.alarm_topic_arn = args.alarm_topic_arn
        self.protect_data = args.protect_data
        self.queue: QueueTrigger | None = None
        """The queue that feeds it, once there is one: neighbours send to it."""
        self.dead_letters = args.dead_letters
        self._async_failures: AsyncFailures | None = None
        self.log_group = aws.cloudwatch.LogGroup(f"{name}-logs", retention_in_days=args.log_retention_days, opts=child)
        self.role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=pulumi.Output.json_dumps(policies.trust_lambda()),
            permissions_boundary=args.permissions_boundary_arn,
            opts=child,
        )
        policy = self.allow("policy", [*self._own_statements(settings), *args.statements], child)
        self.function = self._create_function(
            name, args, ResourceOptions(parent=self, depends_on=[self.log_group, policy])
        )
        self.alias = self._create_alias(name, settings, child)
        watched = alarms.function_alarms(self.function.name, settings.timeout_seconds)
        alarms.create(name, watched, args.alarm_topic_arn, child)
        self._outputs = self._own_outputs(args)
        if settings.function_url is not None:
            FunctionUrl(name, FunctionUrlArgs(function=self, keys=settings.function_url), child)
        self.register_outputs({"name": self.function.name, "alias_arn": self.alias.arn})

    def allow(
        self, role: str, statements: Sequence[policies.Statement], opts: ResourceOptions | None = None
    ) -> aws.iam.RolePolicy:
        """Attach a policy to the function's role; what needs it must depend on it.

        Args:
            role: What is appended to the function's name.
            statements: What it allows.
            opts: The options for children of whoever needs it.
        """
        return aws.iam.RolePolicy(
            f"{self.logical_name}-{role}",
            role=self.role.id,
            policy=pulumi.Output.json_dumps(policies.document(statements)),
            opts=opts,
        )

    @property
    def async_failures(self) -> AsyncFailures:
        """The dead-letter queue of asynchronous events: one per function, made for the first trigger that needs it."""
        if self._async_failures is None:
            self._async_failures = AsyncFailures(
                f"{self.logical_name}-async", AsyncFailuresArgs(function=self), ResourceOptions(parent=self)
            )
        return self._async_failures

    def add_outputs(self, outputs: Mapping[str, Input[object]]) -> None:
        """Add a trigger's part of the stack's output about this function.

        Raises:
            ValueError: another trigger has exported the same name.
        """
        if twice := sorted(self._outputs.keys() & outputs.keys()):
            raise ValueError(f"two triggers of {self.logical_name} export {', '.join(twice)}: one would hide the other")
        self._outputs |= outputs

    def outputs(self) -> dict[str, Input[object]]:
        """Return the stack's output about this function and its triggers."""
        return dict(self._outputs)

    def _own_outputs(self, args: LambdaFunctionArgs) -> dict[str, Input[object]]:
        return {
            "name": self.function.name,
            "arn": self.function.arn,
            "alias_arn": self.alias.arn,
            # The newest version of this program's making: not the live one, and not one that somebody else published.
            "published": self.function.version,
            "role_arn": self.role.arn,
            "log_group": self.log_group.name,
            "layers": [layer.arn for layer in args.layers],
            "runtime": args.package.target.runtime,
            "architecture": args.package.target.architecture,
            **({"image": args.image_uri} if args.image_uri is not None else {}),
            **({"secrets": references(args.secrets)} if args.secrets else {}),
            **({"secret_variables": variables} if (variables := args.settings.secret_variables()) else {}),
        }

    def _own_statements(self, settings: FunctionSettings) -> list[policies.Statement]:
        logs = policies.write_logs(pulumi.Output.concat(self.log_group.arn, ":*"))
        network = [policies.manage_network_interfaces()] if settings.vpc is not None else []
        return [logs, policies.send_traces(), *network]

    def _create_function(self, name: str, args: LambdaFunctionArgs, opts: ResourceOptions) -> aws.lambda_.Function:
        settings = args.settings
        configuration: dict[str, Any] = {
            "role": self.role.arn,
            "architectures": [settings.architecture],
            # An empty environment is read back as none: a change in every preview, a new version in every `up`.
            "environment": {"variables": args.variables} if args.variables else None,
            "memory_size": settings.memory_mb,
            "timeout": settings.timeout_seconds,
            "ephemeral_storage": _storage(settings),
            "snap_start": {"apply_on": "PublishedVersions"} if settings.snapstart else None,
            "vpc_config": _network(settings),
            "tracing_config": {"mode": "Active"},
            "logging_config": {"log_format": "JSON", "log_group": self.log_group.name},
            **_packaged(args),
        }
        return aws.lambda_.Function(
            f"{name}-function",
            **configuration,
            code=None if args.image_uri is not None else _code(args.package.code, configuration),
            reserved_concurrent_executions=settings.reserved_concurrency,
            publish=True,
            opts=opts,
        )

    def _create_alias(self, name: str, settings: FunctionSettings, opts: ResourceOptions) -> aws.lambda_.Alias:
        version = self.function.version if settings.live_version is None else str(settings.live_version)
        alias = aws.lambda_.Alias(
            f"{name}-live", name=LIVE, function_name=self.function.name, function_version=version, opts=opts
        )
        if settings.provisioned_concurrency is not None:
            aws.lambda_.ProvisionedConcurrencyConfig(
                f"{name}-warm",
                function_name=self.function.name,
                qualifier=alias.name,
                provisioned_concurrent_executions=settings.provisioned_concurrency,
                opts=opts,
            )
        return alias


def _packaged(args: LambdaFunctionArgs) -> dict[str, Any]:
    package = args.package
    if args.image_uri is not None:
        return {
            "package_type": "Image",
            "image_uri": args.image_uri,
            "image_config": {"commands": [package.handler]},
        }
    return {
        "runtime": package.target.runtime,
        "handler": package.handler,
        "layers": [layer.arn for layer in args.layers],
    }


def _code(code: CodePackage, configuration: Mapping[str, Any]) -> pulumi.Output[pulumi.Archive]:
    """Return the zip once everything is known that its version will be published with."""
    return pulumi.Output.from_input(configuration).apply(code.archive)


def _storage(settings: FunctionSettings) -> dict[str, int] | None:
    size = settings.ephemeral_storage_mb
    return None if size == limits.EPHEMERAL_STORAGE.low else {"size": size}


def _network(settings: FunctionSettings) -> dict[str, list[str]] | None:
    return None if settings.vpc is None else settings.vpc.model_dump()
