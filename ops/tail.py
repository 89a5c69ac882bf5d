"""A function's log, as it was or as it comes.

Reads CloudWatch Logs by FilterLogEvents: no live-tail session, which is billed by the minute.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

    from ops.stack import Stack

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LATE_SECONDS = 60
"""CloudWatch shows events up to this much after newer ones: each look at the log reaches back so far."""
REMEMBERED = 10_000
"""Ids of events that were shown: the overlap above shows none twice."""


def seconds_of(text: str) -> int:
    """`90s`, `10m`, `2h`, `1d` → seconds."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise UsageError(f"--since {text!r}: a number and s, m, h or d, for example 10m")
    return int(match[1]) * UNITS[match[2]]


def events(
    stack: Stack,
    key: str,
    *,
    since_seconds: int,
    follow: bool = False,
    pattern: str | None = None,
    interval_seconds: float = 2.0,
    clock: Callable[[], float] = time.time,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[FilteredLogEventTypeDef]:
    """Log events in the order of their time, each once; with `follow` it does not end.

    Args:
        pattern: a CloudWatch filter pattern, for example `{ $.level = "ERROR" }`.
    """
    group = stack.function(key).log_group
    client = stack.client("logs")
    start = clock() - since_seconds
    shown: OrderedDict[str, None] = OrderedDict()
    while True:
        newest = start
        for event in look(client, group, start_ms=int(start * 1000), pattern=pattern):
            identifier = str(event["eventId"])
            newest = max(newest, event["timestamp"] / 1000)
            if identifier in shown:
                continue
            shown[identifier] = None
            yield event
        while len(shown) > REMEMBERED:
            shown.popitem(last=False)
        if not follow:
            return
        start = max(start, newest - LATE_SECONDS)
        wait(interval_seconds)


def look(
    client: CloudWatchLogsClient, group: str, *, start_ms: int, pattern: str | None
) -> list[FilteredLogEventTypeDef]:
    """Everything in the group since then, oldest first."""
    found: list[FilteredLogEventTypeDef] = []
    pages = client.get_paginator("filter_log_events")
    try:
        for page in pages.paginate(logGroupName=group, startTime=start_ms, filterPattern=pattern or ""):
            found += page["events"]
    except client.exceptions.ResourceNotFoundException:
        raise OpsError(f"there is no log group {group}: was the stack destroyed?") from None
    return sorted(found, key=lambda event: (event["timestamp"], event.get("ingestionTime", 0)))
