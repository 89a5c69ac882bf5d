"""Which versions of a function there are, and which of them aliases lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import FunctionConfigurationTypeDef

    from ops.stack import Function

CODE = "CodeSha256"
CONFIGURATION = (
    "Architectures",
    "Environment",
    "EphemeralStorage",
    "Handler",
    "ImageConfigResponse",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
)
"""What a version has beside its code."""


def versions_of(client: LambdaClient, function: Function) -> dict[str, FunctionConfigurationTypeDef]:
    """Version, `$LATEST` among them → its configuration."""
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=function.name)
    return {version["Version"]: version for page in pages for version in page["Versions"]}


def edits(
    latest: Mapping[str, Any], published: Mapping[str, Any], keys: Sequence[str] = (CODE, *CONFIGURATION)
) -> list[str]:
    """What `$LATEST` has otherwise than the version that was published last, by AWS's names."""
    return [key for key in keys if latest.get(key) != published.get(key)]


def published_versions(client: LambdaClient, function: Function) -> list[int]:
    """Numbers of a function's published versions, ascending."""
    return numbers(versions_of(client, function))


def numbers(versions: Iterable[str]) -> list[int]:
    """Those of the versions that are published, ascending."""
    return sorted(int(version) for version in versions if version.isdigit())


def newest_version(client: LambdaClient, function: Function) -> str:
    """The newest version of the program's own making; what somebody published in the console is not to go live.

    Raises:
        OpsError: there is none.
    """
    versions = published_versions(client, function)
    if function.published and int(function.published) in versions:
        return function.published
    if not versions:
        raise OpsError(f"function {function.key} has no published version")
    return str(versions[-1])


def live_version(client: LambdaClient, function: Function) -> str:
    """The version that the alias leads to."""
    return client.get_alias(FunctionName=function.name, Name=function.alias)["FunctionVersion"]


def shares(client: LambdaClient, function: Function) -> dict[str, float]:
    """Other versions that the alias gives a share of the traffic: a canary that is under way, or was cut off."""
    routing = client.get_alias(FunctionName=function.name, Name=function.alias).get("RoutingConfig", {})
    return dict(routing.get("AdditionalVersionWeights", {}))


def told(shares_: Mapping[str, float]) -> str:
    """`version 9 with 10 %`."""
    return ", ".join(f"version {version} with {share:.0%}".replace("%", " %") for version, share in shares_.items())


def alias_versions(client: LambdaClient, name: str) -> set[str]:
    """Every version that an alias of this function leads to, canary weights included."""
    try:
        pages = client.get_paginator("list_aliases").paginate(FunctionName=name)
        aliases = [alias for page in pages for alias in page["Aliases"]]
    except ClientError as error:
        raise OpsError(f"the aliases of {name} could not be listed: {error}") from None
    weighted = [alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}) for alias in aliases]
    return {str(alias["FunctionVersion"]) for alias in aliases} | {
        str(version) for weights in weighted for version in weights
    }
