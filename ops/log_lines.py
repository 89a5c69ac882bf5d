"""A log event as a line for people: wide (all that it says) or short (what differs), and whether it is a problem."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ops.values import as_list, as_object

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

KNOWN_FIELDS = frozenset({"level", "message", "timestamp", "service", "location"})
ERROR_FIELDS = ("errorType", "errorMessage")
"""`make_error` of https://github.com/aws/aws-lambda-python-runtime-interface-client/blob/main/awslambdaric/bootstrap.py."""
SAME_IN_EVERY_LINE = frozenset({"function_name", "function_memory_size", "function_arn"})
"""What the logger adds to each record and whoever named the function knows; `--json` shows it."""
LONG_FORM_ONLY = frozenset(
    {"function_request_id", "requestId", "cold_start", "xray_trace_id", "sampling_rate", "exception", "stack_trace"}
)
"""What the short form leaves out as well: it says which run it was, or fills the screen."""
LONGEST_VALUE = 160
"""Characters of a value in the short form."""
PROBLEM_LEVELS = frozenset({"WARNING", "WARN", "ERROR", "CRITICAL", "FATAL"})
PROBLEM_TEXT = re.compile(r"Task timed out|Traceback|\[(WARNING|ERROR|CRITICAL)\]|Runtime\.\w*Error|exited with error")
"""Of lines that are not JSON: what Lambda and Python write when a process ends badly."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an event says."""

    kind: Literal["record", "metrics", "lambda", "text"]
    text: str
    record: dict[str, Any]


def entry_of(event: FilteredLogEventTypeDef) -> Entry:
    """Read one event."""
    text = event["message"].rstrip("\n")
    try:
        record = as_object(json.loads(text))
    except (ValueError, RecursionError):
        record = None
    if record is None:
        return Entry("text", text, {})
    if "_aws" in record:
        return Entry("metrics", text, record)
    kind, own = str(record.get("type", "")), as_object(record.get("record"))
    if kind.startswith("platform.") and own is not None:
        return Entry("lambda", kind.removeprefix("platform."), own)
    record = record if "message" in record else with_message(record)
    return Entry("record", text, record) if "message" in record else Entry("text", text, {})


def is_problem(entry: Entry) -> bool:
    """Whether an entry is a warning, an error, a timeout or a crash."""
    match entry.kind:
        case "record":
            return str(entry.record.get("level", "")).upper() in PROBLEM_LEVELS
        case "lambda":
            return str(entry.record.get("status", "success")) != "success"
        case "metrics":
            return False
        case "text":
            return PROBLEM_TEXT.search(entry.text) is not None


def line_of(event: FilteredLogEventTypeDef, entry: Entry, *, short: bool = False) -> str | None:
    """One event for people; None where the short form has nothing to say."""
    said = short_form(entry) if short else wide_form(entry)
    if said is None:
        return None
    milliseconds = event["timestamp"]
    seconds = time.strftime("%H:%M:%S", time.gmtime(milliseconds / 1000))
    line = f"{seconds}  {said}" if short else f"{seconds}.{milliseconds % 1000:03d}  {said}"
    # What a function logs may be a stranger's text, and a terminal obeys its control characters.
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in line)


def wide_form(entry: Entry) -> str:
    """Level, message, then what else the record says, and below it a stack trace."""
    match entry.kind:
        case "text":
            return entry.text
        case "metrics":
            return f"metrics {fields(entry.record, without=frozenset({'_aws', 'service'}))}"
        case "lambda":
            return f"lambda  {entry.text}  {fields(entry.record)}"
        case "record":
            frames = as_list(entry.record.get("stackTrace"))
            known = KNOWN_FIELDS | SAME_IN_EVERY_LINE
            line = headed(entry.record, fields(entry.record, known if frames is None else known | {"stackTrace"}))
            return "\n".join([line, *(str(frame).rstrip("\n") for frame in frames or ())])


def short_form(entry: Entry) -> str | None:
    """Level, message and the fields that differ from line to line; of Lambda's own records only how a run ended."""
    match entry.kind:
        case "text":
            return None if re.match(r"(INIT_)?START |END RequestId", entry.text) else cut(entry.text)
        case "metrics":
            counted = {name: value for name, value in entry.record.items() if counts(value)}
            return f"metrics {fields(counted)}" if counted else None
        case "lambda":
            return run_of(entry.record) if entry.text == "report" else None
        case "record":
            record = entry.record
            frames = as_list(record.get("stackTrace"))
            left_out = KNOWN_FIELDS | SAME_IN_EVERY_LINE | LONG_FORM_ONLY | {"stackTrace"}
            rest = " ".join(f"{key}={cut(one_line(value))}" for key, value in record.items() if key not in left_out)
            where = f"  {str(frames[-1]).strip().splitlines()[0]}" if frames else ""
            return headed(record, rest) + where


def headed(record: dict[str, Any], rest: str) -> str:
    """A record of the logger's."""
    return f"{record.get('level', ''):<7} {one_line(record['message'])}  {rest}".rstrip()


def counts(value: object) -> bool:
    """Whether a metric's value is anything but zero; dimensions and names are none."""
    values = as_list(value)
    return any(
        isinstance(number, int | float) and number != 0 for number in (values if values is not None else [value])
    )


def run_of(record: dict[str, Any]) -> str:
    """How a run ended: `lambda  812 ms, 203 MB, init 678 ms, timeout`."""
    numbers = as_object(record.get("metrics")) or {}
    parts = [
        f"{numbers[key]:.0f} {unit}" if key != "initDurationMs" else f"init {numbers[key]:.0f} {unit}"
        for key, unit in (("durationMs", "ms"), ("maxMemoryUsedMB", "MB"), ("initDurationMs", "ms"))
        if isinstance(numbers.get(key), int | float)
    ]
    status = str(record.get("status", "success"))
    return "lambda  " + ", ".join([*parts, *([] if status == "success" else [status])])


def with_message(record: dict[str, Any]) -> dict[str, Any]:
    """What an unhandled exception left, as a record like the logger's: Lambda's runtime keeps type and text apart."""
    words = [str(record[key]) for key in ERROR_FIELDS if record.get(key)]
    rest = {key: value for key, value in record.items() if key not in ERROR_FIELDS}
    return {"message": ": ".join(words), **rest} if words else record


def fields(record: dict[str, Any], without: frozenset[str] = frozenset()) -> str:
    """`key=value key=value`."""
    return " ".join(f"{key}={one_line(value)}" for key, value in record.items() if key not in without)


def one_line(value: object) -> str:
    """A field's value on one line; the list that holds a metric's only value is left out."""
    match as_list(value):
        case [only]:
            return one_line(only)
        case _:
            return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def cut(text: str) -> str:
    """A value in the short form."""
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
