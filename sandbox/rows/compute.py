"""Lambda: layers, functions and what invokes them."""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pulumi

from sandbox.rows.arguments import Made, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.rows.arguments import Arguments, Cloud, Make, Row

READY_SECONDS = 30.0
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
MODE = 0o100644 << 16


def zipped(archive: pulumi.Archive) -> bytes:
    """An archive of texts as a zip, the same bytes each time."""
    if not isinstance(archive, pulumi.AssetArchive):
        raise UnsupportedError(f"the sandbox packages an AssetArchive of StringAssets, not a {type(archive).__name__}")
    assets: Mapping[str, Any] = archive.assets
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(assets):
            asset = assets[path]
            if not isinstance(asset, pulumi.StringAsset):
                raise UnsupportedError(f"{path} is a {type(asset).__name__}: the sandbox packages StringAssets only")
            entry = zipfile.ZipInfo(path, FIXED_TIME)
            entry.external_attr = MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, asset.text)
    return content.getvalue()


def invoke_arn(cloud: Cloud, arn: str) -> str:
    """What an API integration calls a function."""
    return f"arn:aws:apigateway:{cloud.account.region}:lambda:path/2015-03-31/functions/{arn}/invocations"


def layer_version(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.LayerVersion, from an object that must be there: the emulator itself would not notice."""
    bucket, key = arguments.need("s3Bucket"), arguments.need("s3Key")
    call = {
        "LayerName": arguments.need("layerName"),
        "Content": {"S3Bucket": bucket, "S3Key": key},
        **arguments.renamed(
            Description="description",
            LicenseInfo="licenseInfo",
            CompatibleRuntimes="compatibleRuntimes",
            CompatibleArchitectures="compatibleArchitectures",
        ),
    }
    arguments.take("skipDestroy")  # a sandbox destroys nothing before it ends

    def make() -> Made:
        cloud.client("s3").head_object(Bucket=bucket, Key=key)
        made = cloud.client("lambda").publish_layer_version(**call)
        outputs = {
            "arn": made["LayerVersionArn"],
            "layerArn": made["LayerArn"],
            "version": str(made["Version"]),
            "codeSha256": made["Content"]["CodeSha256"],
            "sourceCodeSize": made["Content"]["CodeSize"],
            "createdDate": made["CreatedDate"],
        }
        return Made(made["LayerVersionArn"], outputs)

    return make


def _function_settings(arguments: Arguments) -> dict[str, Any]:
    settings = arguments.renamed(
        Runtime="runtime",
        Handler="handler",
        Architectures="architectures",
        Layers="layers",
        Description="description",
        KMSKeyArn="kmsKeyArn",
    )
    for api, key in {"MemorySize": "memorySize", "Timeout": "timeout"}.items():
        if (number := arguments.take(key)) is not None:
            settings[api] = int(number)
    if environment := arguments.section("environment"):
        settings["Environment"] = {"Variables": environment.take("variables") or {}}
    if tracing := arguments.section("tracingConfig"):
        settings["TracingConfig"] = {"Mode": tracing.need("mode")}
    if dead_letters := arguments.section("deadLetterConfig"):
        settings["DeadLetterConfig"] = {"TargetArn": dead_letters.need("targetArn")}
    if storage := arguments.section("ephemeralStorage"):
        settings["EphemeralStorage"] = {"Size": int(storage.need("size"))}
    if logging := arguments.section("loggingConfig"):
        settings["LoggingConfig"] = logging.renamed(
            LogFormat="logFormat",
            LogGroup="logGroup",
            ApplicationLogLevel="applicationLogLevel",
            SystemLogLevel="systemLogLevel",
        )
    return settings


def function(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.Function."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    reserved = arguments.take("reservedConcurrentExecutions")
    call = {
        "FunctionName": name,
        "Role": arguments.need("role"),
        "Code": {"ZipFile": zipped(arguments.need("code"))},
        "Publish": bool(arguments.take("publish", default=False)),
        "Tags": cloud.tags(arguments),
        **_function_settings(arguments),
    }

    def make() -> Made:
        client = cloud.client("lambda")
        made = client.create_function(**call)
        _wait_until_active(client, name)
        if reserved is not None and int(reserved) >= 0:
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(reserved))
        arn = cloud.arn("lambda", f"function:{name}")
        qualified = f"{arn}:{made['Version']}"
        outputs = {
            "name": name,
            "arn": arn,
            "version": made["Version"],
            "qualifiedArn": qualified,
            "invokeArn": invoke_arn(cloud, arn),
            "qualifiedInvokeArn": invoke_arn(cloud, qualified),
            "codeSha256": made["CodeSha256"],
            "sourceCodeSize": made["CodeSize"],
            "lastModified": made["LastModified"],
        }
        return Made(name, outputs)

    return make


def _wait_until_active(client: Any, name: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while client.get_function_configuration(FunctionName=name).get("State", "Active") == "Pending":
        if time.monotonic() > deadline:
            raise TimeoutError(f"the function {name} is still pending after {READY_SECONDS:.0f} s")
        time.sleep(0.05)


def alias(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.Alias."""
    name = arguments.need("name")
    owner = arguments.need("functionName")
    call = {"FunctionVersion": arguments.need("functionVersion"), **arguments.renamed(Description="description")}

    def make() -> Made:
        made = cloud.client("lambda").create_alias(FunctionName=owner, Name=name, **call)
        arn = made["AliasArn"]
        return Made(arn, {"arn": arn, "invokeArn": invoke_arn(cloud, arn)})

    return make


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
        **arguments.renamed(Qualifier="qualifier", SourceArn="sourceArn", SourceAccount="sourceAccount"),
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


ROWS: dict[str, Row] = {
    "aws:lambda/layerVersion:LayerVersion": layer_version,
    "aws:lambda/function:Function": function,
    "aws:lambda/alias:Alias": alias,
    "aws:lambda/eventSourceMapping:EventSourceMapping": event_source_mapping,
    "aws:lambda/permission:Permission": permission,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": function_event_invoke_config,
}
