"""A Lambda function with everything it must not be without: log group, role, traces, versions, alias, alarms.

Owns the function and its alias `live`, which every trigger targets. Triggers attach their own policies to its role.
Which code, layers and secrets it has is decided by a system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import alarms, limits, policies
from components.async_failures import AsyncFailures, AsyncFailuresArgs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulumi import Input

    from components.code import CodePackage
    from components.layer import PythonLayer
    from layer_builds import Target

LIVE: Final = "live"
"""The alias that all traffic goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaFunctionArgs:
    """What one function is made of."""

    code: CodePackage
    handler: str
    """`lambdas.<function>.handler.handler`."""
    target: Target
    """Runtime and architecture, the same as the layers'."""
    layers: Sequence[PythonLayer] = ()
    """In the order in which they are unpacked over each other in /opt."""
    environment: Mapping[str, Input[str]] = field(default_factory=dict[str, "Input[str]"])
    """Plain variables and references to secrets; the layers' own variables are added."""
    statements: Sequence[policies.Statement] = ()
    """What the code calls. Logs, traces and the triggers' needs are added."""
    memory_mb: int
    timeout_seconds: int
    reserved_concurrency: int | None = None
    """None shares the account's concurrency; a new account may have 10 in all."""
    log_retention_days: int
    live_version: int | None = None
    """The version that `live` points to; None is the newest."""
    alarm_topic_arn: str | None = None
    permissions_boundary_arn: str | None = None
    """A managed policy that limits the role, whatever its own policies say."""

    def __post_init__(self) -> None:
        limits.check("memory_mb", self.memory_mb, limits.FUNCTION_MEMORY)
        limits.check("timeout_seconds", self.timeout_seconds, limits.FUNCTION_TIMEOUT)
        limits.check("the number of layers", len(self.layers), limits.LAYERS_PER_FUNCTION)
        if self.reserved_concurrency is not None:
            limits.check("reserved_concurrency", self.reserved_concurrency, limits.RESERVED_CONCURRENCY)
        limits.check_retention(self.log_retention_days)
        if self.live_version is not None and self.live_version < 1:
            raise ValueError(
                f"live_version is {self.live_version}: versions are numbered from 1; leave it out for the newest"
            )
        if reserved := sorted(set(self.environment) & limits.RESERVED_VARIABLES):
            raise ValueError(f"environment sets {', '.join(reserved)}: Lambda keeps these names for itself")
        limits.check_environment(self.variables)
        if wrong := [layer.spec.name for layer in self.layers if layer.target != self.target]:
            raise ValueError(f"layers {', '.join(wrong)} are not built for {self.target}, which the function runs on")

    @property
    def variables(self) -> dict[str, Input[str]]:
        """The whole environment: the layers' variables, then the function's own."""
        from_layers = {key: value for layer in self.layers for key, value in layer.spec.environment.items()}
        return {**from_layers, **self.environment}


class LambdaFunction(pulumi.ComponentResource):
    """A function and its alias `live`."""

    def __init__(self, name: str, args: LambdaFunctionArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:LambdaFunction", name, None, opts)
        child = ResourceOptions(parent=self)
        self.logical_name = name
        self.timeout_seconds = args.timeout_seconds
        self.reserved_concurrency = args.reserved_concurrency
        self.target = args.target
        self.layers = tuple(args.layers)
        self.alarm_topic_arn = args.alarm_topic_arn
        self._async_failures: AsyncFailures | None = None
        self.log_group = aws.cloudwatch.LogGroup(f"{name}-logs", retention_in_days=args.log_retention_days, opts=child)
        self.role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=pulumi.Output.json_dumps(policies.trust_lambda()),
            permissions_boundary=args.permissions_boundary_arn,
            opts=child,
        )
        policy = self.allow("policy", [*self._own_statements(), *args.statements], child)
        self.function = self._create_function(
            name, args, ResourceOptions(parent=self, depends_on=[self.log_group, policy])
        )
        self.alias = aws.lambda_.Alias(
            f"{name}-live",
            name=LIVE,
            function_name=self.function.name,
            function_version=self.function.version if args.live_version is None else str(args.live_version),
            opts=child,
        )
        alarms.create(
            name, alarms.function_alarms(self.function.name, args.timeout_seconds), args.alarm_topic_arn, child
        )
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
        """The failure queue of asynchronous events: one per function, made for the first trigger that needs it."""
        if self._async_failures is None:
            self._async_failures = AsyncFailures(
                f"{self.logical_name}-async",
                AsyncFailuresArgs(function=self, alarm_topic_arn=self.alarm_topic_arn),
                ResourceOptions(parent=self),
            )
        return self._async_failures

    def exports(self) -> dict[str, Input[object]]:
        """Return the stack's output about this function; its trigger adds its own part."""
        return {
            "name": self.function.name,
            "arn": self.function.arn,
            "alias_arn": self.alias.arn,
            "version": self.alias.function_version,
            "role_arn": self.role.arn,
            "log_group": self.log_group.name,
            "layers": [layer.arn for layer in self.layers],
            "runtime": self.target.runtime,
            "architecture": self.target.architecture,
        }

    def _own_statements(self) -> list[policies.Statement]:
        return [policies.write_logs(pulumi.Output.concat(self.log_group.arn, ":*")), policies.send_traces()]

    def _create_function(self, name: str, args: LambdaFunctionArgs, opts: ResourceOptions) -> aws.lambda_.Function:
        return aws.lambda_.Function(
            f"{name}-function",
            role=self.role.arn,
            runtime=args.target.runtime,
            architectures=[args.target.architecture],
            handler=args.handler,
            code=args.code.archive(),
            layers=[layer.arn for layer in args.layers],
            # An empty environment is read back as none: a change in every preview, and a new version in every `up`.
            environment=aws.lambda_.FunctionEnvironmentArgs(variables=args.variables) if args.variables else None,
            memory_size=args.memory_mb,
            timeout=args.timeout_seconds,
            reserved_concurrent_executions=args.reserved_concurrency,
            publish=True,
            tracing_config=aws.lambda_.FunctionTracingConfigArgs(mode="Active"),
            logging_config=aws.lambda_.FunctionLoggingConfigArgs(log_format="JSON", log_group=self.log_group.name),
            opts=opts,
        )
