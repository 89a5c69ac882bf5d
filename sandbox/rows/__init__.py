"""The in-process monitor's table: Pulumi resource type → how boto3 makes such a resource in the local AWS.

A row takes the program's arguments one by one and returns what makes the resource. An argument that no row takes is an
error that names it: nothing of the program is silently dropped.
"""

from __future__ import annotations

from sandbox.rows import (
    api,
    compute,
    identity,
    images,
    invocation,
    observability,
    queues,
    secret_store,
    storage,
    tables,
    topics,
)
from sandbox.rows.arguments import Arguments, Cloud, Row, UnsupportedError

ROWS: dict[str, Row] = {
    **identity.ROWS,
    **observability.ROWS,
    **compute.ROWS,
    **images.ROWS,
    **invocation.ROWS,
    **queues.ROWS,
    **topics.ROWS,
    **storage.ROWS,
    **secret_store.ROWS,
    **tables.ROWS,
    **api.ROWS,
}

__all__ = ["ROWS", "Arguments", "Cloud", "Row", "UnsupportedError"]
