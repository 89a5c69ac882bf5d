"""Leases of runs that were killed: they end at once here, where AWS would let the message wait for as long.

In AWS a message is hidden for longer than a run may take, so when it comes back the record of a run that was killed has
ended. Here it is back after a second. What ends is the lease of a run whose process is gone, and no other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from sandbox.cloud import LocalCloud

EVERY_SECONDS: Final = 1.0
Running = frozenset[tuple[int, str]]
"""Process and request of each invocation that is going on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """How a table says that work is going on."""

    table: str
    """The function's variable with the table's name."""
    key: tuple[str, ...]
    status: str
    """The attribute that says so …"""
    going_on: str
    """… and its value."""
    until: str
    """The attribute with the end: Unix time."""
    per_second: int = 1
    """Its unit: 1,000 for milliseconds."""


class Lapses:
    """Ends the leases of one system's dead runs. Called again and again."""

    def __init__(self, cloud: LocalCloud, system: str, lease: Lease) -> None:
        """Look up the table."""
        self._cloud = cloud
        self._name: str = cloud.function(system)["name"]
        self._lease = lease
        found = cloud.client("lambda").get_function_configuration(FunctionName=self._name)
        self._table: str = found["Environment"]["Variables"][lease.table]
        self._may_own: dict[tuple[str, ...], Running] = {}
        self._next = 0.0
        self.ended = 0
        """How many leases."""

    def __call__(self) -> None:
        """Whoever wrote a lease was at work when it was first seen: when none of those is any more, it is nobody's.

        A run that has ended by itself has changed the item, so its condition fails.
        """
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY_SECONDS
        items = self._items()
        running = frozenset(
            (each["pid"], each["request_id"])
            for each in self._cloud.host.environments()
            if each["function"] == self._name and each["request_id"]
        )
        self._may_own = {place: self._may_own.get(place, running) & running for place in items}
        for place, owners in self._may_own.items():
            if not owners:
                self._end(items[place])

    def _items(self) -> dict[tuple[str, ...], dict[str, Any]]:
        """Those with a lease that has not ended, by key and end."""
        lease = self._lease
        found = (
            self._cloud.client("dynamodb")
            .get_paginator("scan")
            .paginate(
                TableName=self._table,
                FilterExpression="#status = :going_on AND #until > :now",
                ExpressionAttributeNames={"#status": lease.status, "#until": lease.until},
                ExpressionAttributeValues={":going_on": {"S": lease.going_on}, ":now": self._now()},
                ConsistentRead=True,
            )
        )
        items = (item for page in found for item in page["Items"])
        return {(*(item[name]["S"] for name in lease.key), item[lease.until]["N"]): item for item in items}

    def _end(self, item: dict[str, Any]) -> None:
        lease = self._lease
        try:
            self._cloud.client("dynamodb").update_item(
                TableName=self._table,
                Key={name: item[name] for name in lease.key},
                UpdateExpression="SET #until = :now",
                ConditionExpression="#status = :going_on AND #until = :seen",
                ExpressionAttributeNames={"#status": lease.status, "#until": lease.until},
                ExpressionAttributeValues={
                    ":going_on": {"S": lease.going_on},
                    ":now": self._now(),
                    ":seen": item[lease.until],
                },
            )
            self.ended += 1
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise

    def _now(self) -> dict[str, str]:
        return {"N": str(int(time.time() * self._lease.per_second))}
