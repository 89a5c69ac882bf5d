"""Table: what every table has, and what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from components.table import Key, Table, TableArgs
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build


def table(**changes: Any) -> Table:
    values: dict[str, Any] = {"key": Key(hash="id"), **changes}
    return Table("runs", TableArgs(**values))


def test_a_table_is_on_demand_and_restorable_and_encrypted_by_dynamodb(build: Build) -> None:
    assert build(table).one("aws:dynamodb/table:Table").inputs == {
        "billingMode": "PAY_PER_REQUEST",
        "hashKey": "id",
        "attributes": [{"name": "id", "type": "S"}],
        "pointInTimeRecovery": {"enabled": True},
        "deletionProtectionEnabled": False,
    }


def test_keys_of_indexes_are_declared_once(build: Build) -> None:
    inputs = (
        build(
            lambda: table(
                key=Key(hash="user", range="created"),
                indexes=[("by-state", Key(hash="state", range="created"))],
                numbers=["created"],
            )
        )
        .one("aws:dynamodb/table:Table")
        .inputs
    )
    assert inputs["attributes"] == [
        {"name": "created", "type": "N"},
        {"name": "state", "type": "S"},
        {"name": "user", "type": "S"},
    ]
    assert inputs["globalSecondaryIndexes"] == [
        {"name": "by-state", "hashKey": "state", "rangeKey": "created", "projectionType": "ALL"}
    ]


def test_expiry_protection_and_a_customer_key_are_the_owner_s(build: Build) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
    program = build(lambda: table(ttl_attribute="expires", protect=True, kms_key_arn=key))
    inputs = program.one("aws:dynamodb/table:Table").inputs
    assert inputs["ttl"] == {"attributeName": "expires", "enabled": True}
    assert inputs["deletionProtectionEnabled"] is True
    assert inputs["serverSideEncryption"] == {"enabled": True, "kmsKeyArn": key}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": ["age"]}, "numbers names age, which no key"),
        ({"indexes": [("a", Key(hash="x")), ("a", Key(hash="y"))]}, "each name once"),
    ],
)
def test_bad_arguments_register_nothing(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(lambda: table(**changes))
    assert build.last.resources == []
