"""Lambda: what invokes functions, who may, and what becomes of events that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox.rows.arguments import Made, cross_origin

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def event_source_mapping(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.EventSourceMapping."""
    call = {"FunctionName": arguments.need("functionName"), "EventSourceArn": arguments.need("eventSourceArn")}
    call |= arguments.renamed(FunctionResponseTypes="functionResponseTypes", Enabled="enabled")
    window = arguments.take("maximumBatchingWindowInSeconds")
    if (size := arguments.take("batchSize")) is not None:
        call["BatchSize"] = int(size)
    if window is not None:
        call["MaximumBatchingWindowInSeconds"] = int(window)
    if scaling := arguments.section("scalingConfig"):
        call["ScalingConfig"] = {"MaximumConcurrency": int(scaling.need("maximumConcurrency"))}
    if filters := arguments.section("filterCriteria"):
        patterns = [{"Pattern": item.need("pattern")} for item in filters.sections("filters")]
        call["FilterCriteria"] = {"Filters": patterns}
    arguments.take("tags")

    def make() -> Made:
        made = cloud.client("lambda").create_event_source_mapping(**call)
        outputs = {"uuid": made["UUID"], "arn": cloud.arn("lambda", f"event-source-mapping:{made['UUID']}")}
        return Made(made["UUID"], {**outputs, "functionArn": made["FunctionArn"]})

    return make


def permission(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.Permission."""
    statement = arguments.take("statementId") or cloud.physical_name(arguments.name)
    call = {
        "FunctionName": arguments.need("function"),
        "StatementId": statement,
        "Action": arguments.need("action"),
        "Principal": arguments.need("principal"),
        **arguments.renamed(
            Qualifier="qualifier",
            SourceArn="sourceArn",
            SourceAccount="sourceAccount",
            FunctionUrlAuthType="functionUrlAuthType",
            InvokedViaFunctionUrl="invokedViaFunctionUrl",
        ),
    }

    def make() -> Made:
        cloud.client("lambda").add_permission(**call)
        return Made(statement, {"statementId": statement})

    return make


def function_event_invoke_config(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.FunctionEventInvokeConfig."""
    name = arguments.need("functionName")
    call = arguments.renamed(Qualifier="qualifier")
    for api, key in {
        "MaximumRetryAttempts": "maximumRetryAttempts",
        "MaximumEventAgeInSeconds": "maximumEventAgeInSeconds",
    }.items():
        if (number := arguments.take(key)) is not None:
            call[api] = int(number)
    if destinations := arguments.section("destinationConfig"):
        targets = {"OnFailure": destinations.section("onFailure"), "OnSuccess": destinations.section("onSuccess")}
        call["DestinationConfig"] = {
            key: {"Destination": target.need("destination")} for key, target in targets.items() if target
        }

    def make() -> Made:
        cloud.client("lambda").put_function_event_invoke_config(FunctionName=name, **call)
        return Made(f"{name}:{call.get('Qualifier', '$LATEST')}")

    return make


def function_url(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.FunctionUrl. Its address is the emulator's path for it: no name resolution is needed."""
    call = {
        "FunctionName": arguments.need("functionName"),
        "AuthType": arguments.need("authorizationType"),
        **arguments.renamed(Qualifier="qualifier", InvokeMode="invokeMode"),
    }
    if cors := arguments.section("cors"):
        call["Cors"] = cross_origin(cors)

    def make() -> Made:
        made = cloud.client("lambda").create_function_url_config(**call)
        address: str = made["FunctionUrl"]
        number = (urlsplit(address).hostname or "").split(".")[0]
        url = f"{cloud.account.endpoint}/_aws/lambda-url/{number}/"
        return Made(call["FunctionName"], {"functionUrl": url, "urlId": number, "functionArn": made["FunctionArn"]})

    return make


def provisioned_concurrency(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.ProvisionedConcurrencyConfig."""
    name, qualifier = arguments.need("functionName"), arguments.need("qualifier")
    number = int(arguments.need("provisionedConcurrentExecutions"))
    arguments.take("skipDestroy")  # a sandbox destroys nothing before it ends

    def make() -> Made:
        cloud.client("lambda").put_provisioned_concurrency_config(
            FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=number
        )
        return Made(f"{name},{qualifier}")

    return make


ROWS: dict[str, Row] = {
    "aws:lambda/eventSourceMapping:EventSourceMapping": event_source_mapping,
    "aws:lambda/permission:Permission": permission,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": function_event_invoke_config,
    "aws:lambda/functionUrl:FunctionUrl": function_url,
    "aws:lambda/provisionedConcurrencyConfig:ProvisionedConcurrencyConfig": provisioned_concurrency,
}
