"""HTTP API → function: its config keys, the API, its routes to the alias, throttling, access logs, and its alarm.

Owns the way in. Who may call is the function's business (signatures, tokens): the API is public. It answers 503 after
30 s whatever the function's timeout, so the function queues longer work.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import alarms, limits
from components.fields import key
from components.origins import origins
from components.section import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.function import LambdaFunction

ROUTE: Final = re.compile(r"\$default|(ANY|GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE) /\S*")
ACCESS_LOG: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "functionMilliseconds": "$context.integration.latency",
    "bytes": "$context.responseLength",
    "error": "$context.error.message",
    "functionError": "$context.integration.error",
}
"""No addresses, headers or query strings: they may name people or hold tokens."""


class HasTimeout(Protocol):
    """A function, or its section of the config."""

    @property
    def timeout_seconds(self) -> int:
        """When Lambda cuts an invocation off."""
        ...


def answers_in_time(function: HasTimeout) -> str | None:
    """The function does not outlive its caller: a rule for functions that do all their work behind the API."""
    if function.timeout_seconds <= limits.HTTP_INTEGRATION_TIMEOUT_SECONDS:
        return None
    return (
        f"is {function.timeout_seconds}: the API answers 503 after {limits.HTTP_INTEGRATION_TIMEOUT_SECONDS} s "
        f"({limits.HTTP_QUOTAS}), and the function would work on for nobody. Lower it to "
        f"{limits.HTTP_INTEGRATION_TIMEOUT_SECONDS} or less, or do the work behind a queue."
    )


class HttpKeys(Section):
    """What the API lets through."""

    requests_per_second: int = key(
        "Requests a second, above which the API answers 429.", default=10, limit=limits.HTTP_THROTTLE_RATE
    )
    burst: int = key("Requests at once, above which the API answers 429.", default=20, limit=limits.HTTP_THROTTLE_BURST)
    cors_origins: Annotated[list[str], AfterValidator(origins)] = key(
        "Origins of web pages that may call; none sends no CORS headers, and `*` is refused.", default=list
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTriggerArgs:
    """A function, and what the API in front of it lets through."""

    function: LambdaFunction
    keys: HttpKeys
    routes: Sequence[str]
    """`POST /webhook`, `ANY /{proxy+}` or `$default`."""

    def __post_init__(self) -> None:
        if not self.routes or len({route_name(route) for route in self.routes}) != len(self.routes):
            raise ValueError(f"routes are {list(self.routes)}: at least one, each once and with words of its own")
        if wrong := [route for route in self.routes if not ROUTE.fullmatch(route)]:
            raise ValueError(f"{wrong[0]!r} is not a valid route: write `POST /path`, `ANY /{{proxy+}}` or `$default`")


class HttpTrigger(pulumi.ComponentResource):
    """A public HTTP API in front of a function's alias."""

    def __init__(self, name: str, args: HttpTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:HttpTrigger", name, None, opts)
        child = ResourceOptions(parent=self)
        self.api = aws.apigatewayv2.Api(
            f"{name}-api", protocol_type="HTTP", cors_configuration=_cors(args.keys.cors_origins), opts=child
        )
        permission = aws.lambda_.Permission(
            f"{name}-api-permission",
            action="lambda:InvokeFunction",
            function=args.function.function.name,
            qualifier=args.function.alias.name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(self.api.execution_arn, "/*/*"),
            opts=child,
        )
        self.routes = self._create_routes(name, args, ResourceOptions(parent=self, depends_on=[permission]))
        self.stage = self._create_stage(name, args, ResourceOptions(parent=self, depends_on=self.routes))
        alarms.create(name, alarms.api_alarms(self.api.id), args.function.alarm_topic_arn, child)
        args.function.add_outputs(
            {"api_url": self.api.api_endpoint, "api_id": self.api.id, "access_logs": self.access_logs.name},
        )
        self.register_outputs({"api_url": self.api.api_endpoint})

    def _create_routes(self, name: str, args: HttpTriggerArgs, opts: ResourceOptions) -> list[aws.apigatewayv2.Route]:
        seconds = min(args.function.timeout_seconds, limits.HTTP_INTEGRATION_TIMEOUT_SECONDS)
        integration = aws.apigatewayv2.Integration(
            f"{name}-integration",
            api_id=self.api.id,
            integration_type="AWS_PROXY",
            integration_uri=args.function.alias.invoke_arn,
            payload_format_version="2.0",
            timeout_milliseconds=seconds * 1_000,
            opts=opts,
        )
        return [
            aws.apigatewayv2.Route(
                f"{name}-{route_name(route)}",
                api_id=self.api.id,
                route_key=route,
                target=pulumi.Output.concat("integrations/", integration.id),
                opts=ResourceOptions(parent=self),
            )
            for route in args.routes
        ]

    def _create_stage(self, name: str, args: HttpTriggerArgs, opts: ResourceOptions) -> aws.apigatewayv2.Stage:
        self.access_logs = aws.cloudwatch.LogGroup(
            f"{name}-access-logs",
            name=access_log_name(name),
            retention_in_days=args.function.log_retention_days,
            opts=ResourceOptions(parent=self),
        )
        return aws.apigatewayv2.Stage(
            f"{name}-stage",
            api_id=self.api.id,
            name="$default",
            auto_deploy=True,
            access_log_settings=aws.apigatewayv2.StageAccessLogSettingsArgs(
                destination_arn=self.access_logs.arn, format=json.dumps(ACCESS_LOG)
            ),
            default_route_settings=aws.apigatewayv2.StageDefaultRouteSettingsArgs(
                throttling_rate_limit=args.keys.requests_per_second,
                throttling_burst_limit=args.keys.burst,
            ),
            opts=opts,
        )


def access_log_name(name: str) -> str:
    """Return the name of an API's log group, from the API's logical name.

    Each group outside /aws/vendedlogs/ adds a statement to the account's one resource policy of 5,120 characters, which
    is full after about 45 APIs: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html.
    """
    return f"/aws/vendedlogs/{pulumi.get_project()}-{pulumi.get_stack()}-{name}-access-logs"


def route_name(route: str) -> str:
    """Return a route as part of a logical name: `POST /webhook` is `route-post-webhook`."""
    words = re.findall(r"[a-z0-9]+", route.lower())
    return "-".join(["route", *(words or ["root"])])


def _cors(origins: Sequence[str]) -> aws.apigatewayv2.ApiCorsConfigurationArgs | None:
    if not origins:
        return None
    return aws.apigatewayv2.ApiCorsConfigurationArgs(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["authorization", "content-type"],
        max_age=3_600,
    )
