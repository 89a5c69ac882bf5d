"""A DynamoDB table: on demand, encrypted, restorable to any second, and protected from deletion where config says so.

Owns those four. Which items are in it, and who may touch them, is decided by its owner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

if TYPE_CHECKING:
    from collections.abc import Sequence


AttributeType = Literal["S", "N", "B"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The key of a table or an index."""

    hash: str
    """The attribute that an item is found by."""
    range: str | None = None
    """The attribute that orders the items of one hash key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableArgs:
    """What differs between tables."""

    key: Key
    indexes: Sequence[tuple[str, Key]] = ()
    """Global secondary indexes by name, each with all attributes."""
    numbers: Sequence[str] = ()
    """Key attributes that are numbers; all others are strings."""
    ttl_attribute: str | None = None
    """The attribute with the second (Unix time) after which DynamoDB may delete an item."""
    kms_key_arn: str | None = None
    """Customer key; None uses DynamoDB's own, which costs nothing and is not the account's to revoke."""
    protect: bool = False
    """Refuse to delete the table: Pulumi before anything of the stack is deleted, DynamoDB whoever asks."""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.numbers) - set(self.attributes)):
            raise ValueError(f"numbers names {', '.join(unknown)}, which no key of the table or its indexes has")
        names = [name for name, _ in self.indexes]
        if len(set(names)) != len(names):
            raise ValueError(f"indexes are {names}: each name once")

    @property
    def attributes(self) -> dict[str, AttributeType]:
        """Every key attribute, and its type."""
        keys = [self.key, *(key for _, key in self.indexes)]
        names = sorted({name for key in keys for name in (key.hash, key.range) if name is not None})
        return {name: "N" if name in self.numbers else "S" for name in names}


class Table(pulumi.ComponentResource):
    """A table of items that cannot be made again."""

    def __init__(self, name: str, args: TableArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:Table", name, None, opts)
        self.table = aws.dynamodb.Table(
            f"{name}-table",
            billing_mode="PAY_PER_REQUEST",
            hash_key=args.key.hash,
            range_key=args.key.range,
            attributes=[
                aws.dynamodb.TableAttributeArgs(name=attribute, type=kind)
                for attribute, kind in args.attributes.items()
            ],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name=index, hash_key=key.hash, range_key=key.range, projection_type="ALL"
                )
                for index, key in args.indexes
            ]
            or None,
            ttl=(
                aws.dynamodb.TableTtlArgs(attribute_name=args.ttl_attribute, enabled=True)
                if args.ttl_attribute is not None
                else None
            ),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=(
                aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=args.kms_key_arn)
                if args.kms_key_arn is not None
                else None
            ),
            deletion_protection_enabled=args.protect,
            # Items cannot be made again.
            opts=ResourceOptions(parent=self, protect=args.protect),
        )
        self.name = self.table.name
        self.arn: pulumi.Output[str] = self.table.arn
        self.register_outputs({"name": self.name, "arn": self.arn})
