"""What an AWS account holds, listed through its API, and the same with the names of two deployments made alike."""

from __future__ import annotations

import hashlib
import http
import io
import json
import re
import urllib.request
import zipfile
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from components.code_package import REVISION_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.account import Account


Inventory = dict[str, Any]
"""`service/kind/name` → what AWS says of it."""

_VOLATILE = frozenset(
    {
        *(
            "ResponseMetadata",
            "LastModified",
            "RevisionId",
            "CreatedDate",
            "CreateDate",
            "CreationDate",
            "LastAccessed",
        ),
        *("creationTime", "storedBytes", "CreatedTimestamp", "LastModifiedTimestamp", "LastChangedDate", "RoleId"),
        *("StateUpdatedTimestamp", "AlarmConfigurationUpdatedTimestamp", "StateTransitionedTimestamp", "StateValue"),
        *("StateReason", "StateReasonData", "LastAccessedDate", "RoleLastUsed", "UUID", "EventSourceMappingArn"),
        *("LastProcessingResult", "VersionIdsToStages", "SecretVersionsToStages", "Location", "ETag", "BucketRegion"),
        *("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "SnapStart"),
        *("CodeSha256", "CodeSize"),
        *("ApproximateNumberOfMessagesNotVisible", "StateTransitionReason", "logGroupArn", "metricFilterCount"),
    }
)
_SUFFIX = re.compile(r"(?<=[a-z0-9])-[0-9a-f]{6}(?![0-9A-Za-z])")
_SECRET_SUFFIX = re.compile(r"(:secret:[\w/+=.@-]+)-[A-Za-z0-9]{6}(?![\w/+=.@-])")
"""What Secrets Manager adds to a secret's name in its ARN: the last six characters, whatever they are."""


def inventory(account: Account) -> Inventory:
    """List everything that a stack could have made."""
    found: Inventory = {}
    for lister in (
        _functions,
        _layers,
        _roles,
        _queues,
        _topics,
        _logs,
        _alarms,
        _secrets,
        _parameters,
        _buckets,
        _rest,
    ):
        found.update(lister(account))
    return found


def alike(found: Inventory, account: Account) -> Inventory:
    """The same without what two deployments of one stack may differ in: random suffixes, account, ids, times."""
    text = json.dumps(_still(found), sort_keys=True, default=str)
    text = text.replace(account.account, "ACCOUNT")
    text = re.sub(r"https?://[a-z0-9.]+:\d+/ACCOUNT", "QUEUES", text)
    text = _SUFFIX.sub("-hex", _SECRET_SUFFIX.sub(r"\1", text))
    return {key: _unpacked(value) for key, value in json.loads(text).items()}


def _still(value: Any) -> Any:
    """Without what changes by itself, and tags and dimensions as the sets that they are: they are sent in any order."""
    if isinstance(value, dict):
        return {key: _still(item) for key, item in value.items() if key not in _VOLATILE}
    if not isinstance(value, list):
        return value
    for name in ("Key", "Name"):
        if value and all(isinstance(item, dict) and set(item) == {name, "Value"} for item in value):
            return {item[name]: item["Value"] for item in value}
    return [_still(item) for item in value]


def _unpacked(value: Any) -> Any:
    """Policies are JSON in JSON: compared by what they say, not by how they are written."""
    if isinstance(value, dict):
        return {key: _unpacked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_unpacked(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        return _unpacked(json.loads(value))
    return value


def differences(one: Any, other: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two inventories differ: path → both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*one, *other}):
            found.update(differences(one.get(key), other.get(key), f"{path} → {key}" if path else key))
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return differences(dict(enumerate(one)), dict(enumerate(other)), path)
    return {} if one == other else {path: (one, other)}


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key) or ()


def _maybe(call: Callable[..., Any], **arguments: Any) -> Any:
    """An answer, or None where AWS has an error for `there is none`."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if status == http.HTTPStatus.NOT_FOUND or code.startswith("NoSuch"):
            return None
        raise
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _functions(account: Account) -> Inventory:
    client = account.client("lambda")
    found: Inventory = {}
    for function in list(_pages(client, "list_functions", "Functions")):
        name = function["FunctionName"]
        versions = sorted(_pages(client, "list_versions_by_function", "Versions", FunctionName=name), key=_version)
        found[f"lambda/function/{name}"] = {
            "versions": [_version_of(client, one) for one in versions],
            "aliases": list(_pages(client, "list_aliases", "Aliases", FunctionName=name)),
            "policy": _maybe(client.get_policy, FunctionName=name, Qualifier="live"),
            "concurrency": _maybe(client.get_function_concurrency, FunctionName=name),
            "events": list(
                _pages(client, "list_function_event_invoke_configs", "FunctionEventInvokeConfigs", FunctionName=name)
            ),
            "tags": client.list_tags(Resource=function["FunctionArn"])["Tags"],
        }
    for mapping in _pages(client, "list_event_source_mappings", "EventSourceMappings"):
        found[f"lambda/mapping/{mapping['EventSourceArn']} {mapping['FunctionArn']}"] = mapping
    return found


def code_of(client: Any, name: str, version: str) -> dict[str, bytes]:
    """The files of a function version."""
    location = client.get_function(FunctionName=name, Qualifier=version)["Code"]["Location"]
    with urllib.request.urlopen(location, timeout=30) as answer:  # noqa: S310 - the emulator's
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    return {member: archive.read(member) for member in sorted(archive.namelist())}


def _version_of(client: Any, one: dict[str, Any]) -> dict[str, Any]:
    """One version, with the files of its code: how they are zipped differs between deployment tools."""
    files = code_of(client, one["FunctionName"], one["Version"])
    # The revision is a digest over names that end in a random part, which is another in each deployment.
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != REVISION_FILE}
    return {**one, "Layers": [layer["Arn"] for layer in one.get("Layers") or ()], "files": hashes}


def _version(one: dict[str, Any]) -> int:
    return int(one["Version"]) if one["Version"].isdigit() else 0


def _layers(account: Account) -> Inventory:
    client = account.client("lambda")
    found: Inventory = {}
    for layer in _pages(client, "list_layers", "Layers"):
        versions = list(_pages(client, "list_layer_versions", "LayerVersions", LayerName=layer["LayerName"]))
        found[f"lambda/layer/{layer['LayerName']}"] = versions
    return found


def _roles(account: Account) -> Inventory:
    client = account.client("iam")
    found: Inventory = {}
    for role in _pages(client, "list_roles", "Roles"):
        name = role["RoleName"]
        inline = sorted(_pages(client, "list_role_policies", "PolicyNames", RoleName=name))
        found[f"iam/role/{name}"] = {
            **client.get_role(RoleName=name)["Role"],
            "inline": {one: client.get_role_policy(RoleName=name, PolicyName=one)["PolicyDocument"] for one in inline},
            "attached": list(_pages(client, "list_attached_role_policies", "AttachedPolicies", RoleName=name)),
        }
    for policy in _pages(client, "list_policies", "Policies", Scope="Local"):
        found[f"iam/policy/{policy['PolicyName']}"] = policy
    return found


def _queues(account: Account) -> Inventory:
    client = account.client("sqs")
    found: Inventory = {}
    for url in client.list_queues().get("QueueUrls") or ():
        attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        tags = client.list_queue_tags(QueueUrl=url).get("Tags") or {}
        found[f"sqs/queue/{url.rsplit('/', 1)[1]}"] = {"attributes": attributes, "tags": tags}
    return found


def _topics(account: Account) -> Inventory:
    client = account.client("sns")
    found: Inventory = {}
    for topic in _pages(client, "list_topics", "Topics"):
        arn = topic["TopicArn"]
        subscriptions = list(_pages(client, "list_subscriptions_by_topic", "Subscriptions", TopicArn=arn))
        found[f"sns/topic/{arn}"] = {**client.get_topic_attributes(TopicArn=arn), "subscriptions": subscriptions}
    return found


def _logs(account: Account) -> Inventory:
    client = account.client("logs")
    return {
        f"logs/group/{group['logGroupName']}": {
            **group,
            "tags": client.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*")).get("tags"),
        }
        for group in _pages(client, "describe_log_groups", "logGroups")
    }


def _alarms(account: Account) -> Inventory:
    client = account.client("cloudwatch")
    return {
        f"cloudwatch/alarm/{alarm['AlarmName']}": {
            **alarm,
            "tags": client.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"],
        }
        for alarm in _pages(client, "describe_alarms", "MetricAlarms")
    }


def _secrets(account: Account) -> Inventory:
    client = account.client("secretsmanager")
    secrets = _pages(client, "list_secrets", "SecretList", IncludePlannedDeletion=True)
    return {f"secretsmanager/secret/{secret['Name']}": secret for secret in secrets}


def _parameters(account: Account) -> Inventory:
    client = account.client("ssm")
    return {f"ssm/parameter/{one['Name']}": one for one in _pages(client, "describe_parameters", "Parameters")}


def _buckets(account: Account) -> Inventory:
    client = account.client("s3")
    found: Inventory = {}
    for bucket in client.list_buckets()["Buckets"]:
        name = bucket["Name"]
        found[f"s3/bucket/{name}"] = {
            "policy": _maybe(client.get_bucket_policy, Bucket=name),
            "encryption": _maybe(client.get_bucket_encryption, Bucket=name),
            "private": _maybe(client.get_public_access_block, Bucket=name),
            "versioning": _maybe(client.get_bucket_versioning, Bucket=name),
            "notification": _maybe(client.get_bucket_notification_configuration, Bucket=name),
            "lifecycle": _maybe(client.get_bucket_lifecycle_configuration, Bucket=name),
            "tags": _maybe(client.get_bucket_tagging, Bucket=name),
            "objects": {one["Key"]: one["Size"] for one in _pages(client, "list_objects_v2", "Contents", Bucket=name)},
        }
    return found


def _rest(account: Account) -> Inventory:
    """What no system makes yet, and so must not be there."""
    found: Inventory = {}
    for table in _pages(account.client("dynamodb"), "list_tables", "TableNames"):
        found[f"dynamodb/table/{table}"] = table
    for api in account.client("apigatewayv2").get_apis()["Items"]:
        found[f"apigateway/api/{api['Name']}"] = api
    for key in _pages(account.client("kms"), "list_keys", "Keys"):
        found[f"kms/key/{key['KeyId']}"] = key
    for rule in account.client("events").list_rules()["Rules"]:
        found[f"events/rule/{rule['Name']}"] = rule
    return found
