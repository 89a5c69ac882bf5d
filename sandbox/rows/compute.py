"""Lambda: layers, functions and aliases."""

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
    if snapstart := arguments.section("snapStart"):
        settings["SnapStart"] = {"ApplyOn": snapstart.need("applyOn")}
    if network := arguments.section("vpcConfig"):
        settings["VpcConfig"] = network.renamed(
            SubnetIds="subnetIds",
            SecurityGroupIds="securityGroupIds",
            Ipv6AllowedForDualStack="ipv6AllowedForDualStack",
        )
    if logging := arguments.section("loggingConfig"):
        settings["LoggingConfig"] = logging.renamed(
            LogFormat="logFormat",
            LogGroup="logGroup",
            ApplicationLogLevel="applicationLogLevel",
            SystemLogLevel="systemLogLevel",
        )
    return settings


def _code(arguments: Arguments) -> dict[str, Any]:
    """What is shipped: a zip of texts, or an image."""
    kind = arguments.take("packageType", "Zip")
    if kind == "Zip":
        return {"Code": {"ZipFile": zipped(arguments.need("code"))}}
    call: dict[str, Any] = {"PackageType": kind, "Code": {"ImageUri": arguments.need("imageUri")}}
    if image := arguments.section("imageConfig"):
        call["ImageConfig"] = image.renamed(
            Command="commands", EntryPoint="entryPoints", WorkingDirectory="workingDirectory"
        )
    return call


def function(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.lambda.Function."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    reserved = arguments.take("reservedConcurrentExecutions")
    call = {
        "FunctionName": name,
        "Role": arguments.need("role"),
        **_code(arguments),
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
            "sourceCodeSize": made.get("CodeSize", 0),
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


ROWS: dict[str, Row] = {
    "aws:lambda/layerVersion:LayerVersion": layer_version,
    "aws:lambda/function:Function": function,
    "aws:lambda/alias:Alias": alias,
}
