"""Statements from what a contract says of its function: what it does with a table, and with objects below a prefix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from components import policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from components.policies import Statement
    from components.shared_bucket import SharedBucket
    from components.table import Table


def use_table(variable: str, actions: Sequence[str], table: Table) -> Statement:
    """Work with a table's items.

    Args:
        variable: The one that holds its name, `USERS_TABLE`: what the statement is called by.
        actions: `dynamodb:GetItem` and so on.
        table: Without its indexes.
    """
    return policies.use_table(f"Use{_words(variable)}", actions, table.arn)


def use_objects(bucket: SharedBucket, prefix: str, actions: Sequence[str]) -> Statement:
    """Work with the objects below a prefix.

    Args:
        bucket: One of the stack's.
        prefix: Such as `uploads/`: what the statement is called by, too.
        actions: `s3:GetObject` and so on.
    """
    objects = bucket.objects_arn(prefix)
    return policies.Statement(sid=f"Use{_words(prefix)}", actions=tuple(actions), resources=(objects,))


def list_versions(bucket: SharedBucket) -> Statement:
    """List a bucket's objects and their versions: S3 then answers 404 for what is not there, and all of it can go."""
    return policies.Statement(
        sid="ListVersions", actions=("s3:ListBucket", "s3:ListBucketVersions"), resources=(bucket.arn,)
    )


def _words(name: str) -> str:
    return "".join(word.capitalize() for word in re.findall(r"[A-Za-z0-9]+", name))
