"""DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.rows.arguments import Made

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def table(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.dynamodb.Table, on demand."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    key, sort = arguments.need("hashKey"), arguments.take("rangeKey")
    attributes = [
        {"AttributeName": item.need("name"), "AttributeType": item.need("type")}
        for item in arguments.sections("attributes")
    ]
    call: dict[str, Any] = {
        "KeySchema": _keys(key, sort),
        "AttributeDefinitions": attributes,
        "BillingMode": arguments.take("billingMode", "PAY_PER_REQUEST"),
        "Tags": cloud.tag_list(arguments),
    }
    if indexes := [_index(item) for item in arguments.sections("globalSecondaryIndexes")]:
        call["GlobalSecondaryIndexes"] = indexes
    recovery = arguments.section("pointInTimeRecovery")
    recovers = recovery is not None and bool(recovery.need("enabled"))
    ttl = arguments.section("ttl")
    expiry = {"AttributeName": ttl.need("attributeName"), "Enabled": ttl.take("enabled", True)} if ttl else None
    if encrypted := arguments.section("serverSideEncryption"):
        call["SSESpecification"] = {
            "Enabled": bool(encrypted.need("enabled")),
            **encrypted.renamed(KMSMasterKeyId="kmsKeyArn"),
        }
    protected = arguments.take("deletionProtectionEnabled")

    def make() -> Made:
        client = cloud.client("dynamodb")
        client.create_table(TableName=name, DeletionProtectionEnabled=bool(protected), **call)
        if recovers:
            client.update_continuous_backups(
                TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
        if expiry:
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)
        return Made(name, {"name": name, "arn": cloud.arn("dynamodb", f"table/{name}")})

    return make


def _keys(key: str, sort: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": key, "KeyType": "HASH"}]
    return keys + ([{"AttributeName": sort, "KeyType": "RANGE"}] if sort else [])


def _index(item: Arguments) -> dict[str, Any]:
    projection = {"ProjectionType": item.need("projectionType"), **item.renamed(NonKeyAttributes="nonKeyAttributes")}
    keys = _keys(item.need("hashKey"), item.take("rangeKey"))
    return {"IndexName": item.need("name"), "KeySchema": keys, "Projection": projection}


ROWS: dict[str, Row] = {"aws:dynamodb/table:Table": table}
