"""HTTP API → function: the API, its routes to the alias, throttling, access logs, and its alarm.

Owns the way in. Who may call is the function's business (signatures, tokens): the API is public. It answers 503 after
30 s whatever the function's timeout, so that longer work is queued by the function.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import alarms, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input

    from components.function import LambdaFunction

ROUTE: Final = re.compile(r"\$default|(ANY|GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE) /\S*")
ORIGIN: Final = re.compile(r"https?://[^/\s*]+")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTriggerArgs:
    """What the API lets through."""

    function: LambdaFunction
    routes: Sequence[str]
    """`POST /webhook`, `ANY /{proxy+}` or `$default`."""
    requests_per_second: int
    burst: int
    """Requests at once above which the API answers 429."""
    log_retention_days: int
    cors_origins: Sequence[str] = ()
    """Origins of web pages that may call; none sends no CORS headers. `*` is refused."""
    alarm_topic_arn: str | None = None

    def __post_init__(self) -> None:
        limits.check("requests_per_second", self.requests_per_second, limits.HTTP_THROTTLE_RATE)
        limits.check("burst", self.burst, limits.HTTP_THROTTLE_BURST)
        limits.check_retention(self.log_retention_days)
        if not self.routes or len({route_name(route) for route in self.routes}) != len(self.routes):
            raise ValueError(f"routes are {list(self.routes)}: at least one, each once and with words of its own")
        if wrong := [route for route in self.routes if not ROUTE.fullmatch(route)]:
            raise ValueError(f"{wrong[0]!r} is no route: write `POST /path`, `ANY /{{proxy+}}` or `$default`")
        if wrong := [origin for origin in self.cors_origins if not ORIGIN.fullmatch(origin)]:
            raise ValueError(
                f"{wrong[0]!r} is no origin: name each one, such as https://app.example.com; `*` is refused"
            )


class HttpTrigger(pulumi.ComponentResource):
    """A public HTTP API in front of a function's alias."""

    def __init__(self, name: str, args: HttpTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:HttpTrigger", name, None, opts)
        child = ResourceOptions(parent=self)
        self.api = aws.apigatewayv2.Api(
            f"{name}-api", protocol_type="HTTP", cors_configuration=_cors(args.cors_origins), opts=child
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
        alarms.create(name, alarms.api_alarms(self.api.id), args.alarm_topic_arn, child)
        self.register_outputs({"api_url": self.api.api_endpoint})

    def exports(self) -> dict[str, Input[object]]:
        """Return the trigger's part of the function's stack output."""
        return {"api_url": self.api.api_endpoint, "api_id": self.api.id, "access_logs": self.access_logs.name}

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
            f"{name}-access-logs", retention_in_days=args.log_retention_days, opts=ResourceOptions(parent=self)
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
                throttling_rate_limit=args.requests_per_second, throttling_burst_limit=args.burst
            ),
            opts=opts,
        )


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
