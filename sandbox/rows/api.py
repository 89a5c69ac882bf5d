"""API Gateway, HTTP APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.rows.arguments import Made, cross_origin

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def api(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.apigatewayv2.Api. Its endpoint is the emulator's path for its default stage: no name resolution is needed."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    call: dict[str, Any] = {
        "Name": name,
        "ProtocolType": arguments.need("protocolType"),
        "Tags": cloud.tags(arguments),
        **arguments.renamed(Description="description", DisableExecuteApiEndpoint="disableExecuteApiEndpoint"),
    }
    if cors := arguments.section("corsConfiguration"):
        call["CorsConfiguration"] = cross_origin(cors)

    def make() -> Made:
        number = cloud.client("apigatewayv2").create_api(**call)["ApiId"]
        outputs = {
            "name": name,
            "apiEndpoint": f"{cloud.account.endpoint}/_aws/execute-api/{number}/$default",
            "arn": f"arn:aws:apigateway:{cloud.account.region}::/apis/{number}",
            "executionArn": cloud.arn("execute-api", number),
        }
        return Made(number, outputs)

    return make


def integration(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.apigatewayv2.Integration."""
    call = {
        "ApiId": arguments.need("apiId"),
        "IntegrationType": arguments.need("integrationType"),
        **arguments.renamed(
            IntegrationUri="integrationUri",
            IntegrationMethod="integrationMethod",
            PayloadFormatVersion="payloadFormatVersion",
            Description="description",
            ConnectionType="connectionType",
        ),
    }
    if (timeout := arguments.take("timeoutMilliseconds")) is not None:
        call["TimeoutInMillis"] = int(timeout)

    def make() -> Made:
        return Made(cloud.client("apigatewayv2").create_integration(**call)["IntegrationId"])

    return make


def route(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.apigatewayv2.Route."""
    call = {
        "ApiId": arguments.need("apiId"),
        "RouteKey": arguments.need("routeKey"),
        **arguments.renamed(
            Target="target",
            AuthorizationType="authorizationType",
            AuthorizerId="authorizerId",
            AuthorizationScopes="authorizationScopes",
        ),
    }

    def make() -> Made:
        return Made(cloud.client("apigatewayv2").create_route(**call)["RouteId"])

    return make


def stage(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.apigatewayv2.Stage."""
    name = arguments.need("name")
    number = arguments.need("apiId")
    call: dict[str, Any] = {
        "StageName": name,
        "Tags": cloud.tags(arguments),
        **arguments.renamed(AutoDeploy="autoDeploy", Description="description", StageVariables="stageVariables"),
    }
    if logs := arguments.section("accessLogSettings"):
        call["AccessLogSettings"] = logs.renamed(DestinationArn="destinationArn", Format="format")
    if routes := arguments.section("defaultRouteSettings"):
        settings = routes.renamed(
            DetailedMetricsEnabled="detailedMetricsEnabled", ThrottlingRateLimit="throttlingRateLimit"
        )
        if (burst := routes.take("throttlingBurstLimit")) is not None:
            settings["ThrottlingBurstLimit"] = int(burst)
        call["DefaultRouteSettings"] = settings

    def make() -> Made:
        cloud.client("apigatewayv2").create_stage(ApiId=number, **call)
        url = f"{cloud.account.endpoint}/_aws/execute-api/{number}/{name}"
        outputs = {
            "arn": f"arn:aws:apigateway:{cloud.account.region}::/apis/{number}/stages/{name}",
            "invokeUrl": f"{url}/",
            "executionArn": cloud.arn("execute-api", f"{number}/{name}"),
        }
        return Made(name, outputs)

    return make


ROWS: dict[str, Row] = {
    "aws:apigatewayv2/api:Api": api,
    "aws:apigatewayv2/integration:Integration": integration,
    "aws:apigatewayv2/route:Route": route,
    "aws:apigatewayv2/stage:Stage": stage,
}
