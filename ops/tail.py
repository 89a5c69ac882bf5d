"""A function's log, as it was or as it comes.

Reads CloudWatch Logs by FilterLogEvents: no live-tail session, which is billed by the minute.
"""

from __future__ import annotations

import json
import re
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.stack import Stack

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LATE_SECONDS = 60
"""CloudWatch shows events up to this much after newer ones: each look at the log reaches back so far."""
REMEMBERED = 10_000
"""Ids of events that were shown, so that the overlap above shows none twice."""
KNOWN_FIELDS = {"level", "message", "timestamp", "service", "location"}
ERROR_FIELDS = ("errorType", "errorMessage")
"""`make_error` of https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/bootstrap.py."""
SAME_IN_EVERY_LINE = {"function_name", "function_memory_size", "function_arn"}
"""What the logger adds to each record and whoever named the function knows; `--json` shows it."""


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
) -> Iterator[dict[str, Any]]:
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


def look(client: Any, group: str, *, start_ms: int, pattern: str | None) -> list[dict[str, Any]]:
    """Everything in the group since then, oldest first."""
    options = {"filterPattern": pattern} if pattern else {}
    found: list[dict[str, Any]] = []
    try:
        pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start_ms, **options)
        for page in pages:
            found += page["events"]
    except client.exceptions.ResourceNotFoundException:
        raise OpsError(f"there is no log group {group}: was the stack destroyed?") from None
    return sorted(found, key=lambda event: (event["timestamp"], event.get("ingestionTime", 0)))


def line_of(event: dict[str, Any]) -> str:
    """One event for people: time, level, message, then what else the record says, and below it a stack trace."""
    milliseconds = int(event["timestamp"])
    when = time.strftime("%H:%M:%S", time.gmtime(milliseconds / 1000)) + f".{milliseconds % 1000:03d}"
    text = str(event["message"]).rstrip("\n")
    try:
        record = json.loads(text)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return f"{when}  {text}"
    if "_aws" in record:
        return f"{when}  metrics {fields(record, without={'_aws', 'service'})}"
    if str(record.get("type", "")).startswith("platform.") and isinstance(record.get("record"), dict):
        return f"{when}  lambda  {record['type'].removeprefix('platform.')}  {fields(record['record'])}"
    if "message" not in record:
        record = with_message(record)
    if "message" not in record:
        return f"{when}  {text}"
    frames = record.pop("stackTrace") if isinstance(record.get("stackTrace"), list) else []
    rest = fields(record, without=KNOWN_FIELDS | SAME_IN_EVERY_LINE)
    line = f"{when}  {record.get('level', ''):<7} {short(record['message'])}  {rest}".rstrip()
    return "\n".join([line, *(str(frame).rstrip("\n") for frame in frames)])


def with_message(record: dict[str, Any]) -> dict[str, Any]:
    """What an unhandled exception left, as a record like the logger's: Lambda's runtime keeps type and text apart."""
    words = [str(record[key]) for key in ERROR_FIELDS if record.get(key)]
    rest = {key: value for key, value in record.items() if key not in ERROR_FIELDS}
    return {"message": ": ".join(words), **rest} if words else record


def fields(record: dict[str, Any], without: set[str] | frozenset[str] = frozenset()) -> str:
    """`key=value key=value`."""
    return " ".join(f"{key}={short(value)}" for key, value in record.items() if key not in without)


def short(value: object) -> str:
    """A field's value on one line; the list that holds a metric's only value is left out."""
    if isinstance(value, list) and len(value) == 1:
        return short(value[0])
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
