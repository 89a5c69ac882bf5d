"""tail: each log event once, in the order of its time."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from ops.cli import main
from ops.errors import OpsError, UsageError
from ops.log_lines import entry_of, is_problem
from ops.log_lines import line_of as shown_line
from ops.tail import events, seconds_of

if TYPE_CHECKING:
    from tests.ops.conftest import Deployed


def line_of(event: Any, *, short: bool = False) -> str:
    return shown_line(event, entry_of(event), short=short) or ""


def write(deployed: Deployed, *messages: tuple[float, str], stream: str = "one") -> None:
    """Log events: how many seconds ago, and the text."""
    logs, group = deployed.client("logs"), deployed.function["log_group"]
    found = logs.describe_log_streams(logGroupName=group)["logStreams"]
    if stream not in {one["logStreamName"] for one in found}:
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = time.time()
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int((now - ago) * 1000), "message": text} for ago, text in messages],
    )


def test_events_of_all_streams_come_in_the_order_of_time(deployed: Deployed) -> None:
    write(deployed, (30, "first"), (10, "third"))
    write(deployed, (20, "second"), stream="two")
    assert [one["message"] for one in events(deployed.stack, "embedding", since_seconds=60)] == [
        "first",
        "second",
        "third",
    ]


def test_since_leaves_out_what_is_older(deployed: Deployed) -> None:
    write(deployed, (300, "old"), (10, "new"))
    assert [one["message"] for one in events(deployed.stack, "embedding", since_seconds=60)] == ["new"]


def test_following_shows_late_events_and_none_twice(deployed: Deployed) -> None:
    write(deployed, (5, "a"))
    arrivals = iter([[(1, "b")], [(20, "late, though older than b")], [(0, "c")]])

    def wait(_: float) -> None:
        write(deployed, *next(arrivals))

    shown = events(deployed.stack, "embedding", since_seconds=60, follow=True, wait=wait)
    assert [one["message"] for one in itertools.islice(shown, 4)] == ["a", "b", "late, though older than b", "c"]


def test_a_pattern_is_cloudwatchs_to_match(deployed: Deployed) -> None:
    write(deployed, (5, "ERROR bad"), (4, "fine"))
    found = events(deployed.stack, "embedding", since_seconds=60, pattern="ERROR")
    assert [one["message"] for one in found] == ["ERROR bad"]


def test_a_missing_log_group_is_an_error_in_words(deployed: Deployed) -> None:
    deployed.function["log_group"] += "-gone"
    with pytest.raises(OpsError, match="no log group"):
        list(events(deployed.stack, "embedding", since_seconds=60))


def test_a_structured_record_is_shown_as_a_line() -> None:
    record = {"level": "ERROR", "message": "no key", "location": "f:1", "request_id": "r-1", "cold_start": True}
    line = line_of({"timestamp": 1_700_000_000_123, "message": json.dumps(record) + "\n"})
    assert line == "22:13:20.123  ERROR   no key  request_id=r-1 cold_start=true"


def test_an_unhandled_exception_is_a_line_with_its_trace_below() -> None:
    # As awslambdaric writes it.
    record = {
        "timestamp": "2026-01-01T00:00:00Z",
        "level": "ERROR",
        "errorMessage": "no such thing",
        "errorType": "ValueError",
        "requestId": "r-1",
        "stackTrace": [
            '  File "/var/task/handler.py", line 9, in handler\n    return work(event)\n',
            '  File "/var/task/handler.py", line 5, in work\n    raise ValueError("no such thing")\n',
        ],
    }
    assert line_of({"timestamp": 0, "message": json.dumps(record)}).splitlines() == [
        "00:00:00.000  ERROR   ValueError: no such thing  requestId=r-1",
        '  File "/var/task/handler.py", line 9, in handler',
        "    return work(event)",
        '  File "/var/task/handler.py", line 5, in work',
        '    raise ValueError("no such thing")',
    ]


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        ({"errorType": "Exit", "errorMessage": "", "stackTrace": []}, "Exit"),
        ({"errorMessage": "lost", "stackTrace": "none"}, "lost  stackTrace=none"),
        ({"message": "kept", "errorType": "E"}, "kept  errorType=E"),
        ({"stackTrace": ["x"]}, '{"stackTrace": ["x"]}'),
    ],
)
def test_a_record_with_a_part_of_an_exception_is_shown_too(record: dict[str, object], shown: str) -> None:
    assert line_of({"timestamp": 0, "message": json.dumps(record)}).split(maxsplit=1)[1] == shown


def test_metrics_and_lambdas_own_records_are_shown_as_lines() -> None:
    metrics = {"_aws": {"CloudWatchMetrics": []}, "service": "s", "MessagesProcessed": [3.0], "MessagesFailed": [0.0]}
    line = line_of({"timestamp": 0, "message": json.dumps(metrics)})
    assert line == "00:00:00.000  metrics MessagesProcessed=3.0 MessagesFailed=0.0"
    report = {"time": "t", "type": "platform.report", "record": {"status": "timeout", "metrics": {"durationMs": 9}}}
    line = line_of({"timestamp": 0, "message": json.dumps(report)})
    assert line == '00:00:00.000  lambda  report  status=timeout metrics={"durationMs":9}'


def test_other_text_is_shown_as_it_is() -> None:
    assert line_of({"timestamp": 0, "message": "START RequestId: x\n"}) == "00:00:00.000  START RequestId: x"
    assert line_of({"timestamp": 0, "message": "[1]"}).endswith("[1]")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)])
def test_times_back(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "1w", "-1m", "1.5h"])
def test_a_time_back_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        seconds_of(text)


def shown(record: object) -> str:
    """A record in the short form, without its time."""
    text = record if isinstance(record, str) else json.dumps(record)
    return line_of({"timestamp": 0, "message": text}, short=True).partition("  ")[2]


LOGGER = {
    "level": "WARNING",
    "location": "_observe:125",
    "message": "message failed",
    "timestamp": "2026-01-01 00:00:00,000+0000",
    "service": "embedding",
    "cold_start": False,
    "function_name": "strata-dev-embedding-function-1a2b3c",
    "function_memory_size": "512",
    "function_arn": "arn:aws:lambda:eu-central-1:1:function:f",
    "function_request_id": "8c2f",
    "message_id": "m-1",
    "reason": "rejected",
    "detail": "x" * 500,
}
"""As Powertools writes it."""
REPORT = {
    "type": "platform.report",
    "record": {"status": "success", "metrics": {"durationMs": 811.6, "maxMemoryUsedMB": 203}},
}
TIMEOUT = {
    "type": "platform.report",
    "record": {"status": "timeout", "metrics": {"durationMs": 30000, "initDurationMs": 678}},
}
UNHANDLED = {
    "level": "ERROR",
    "errorType": "ValueError",
    "errorMessage": "no",
    "requestId": "r",
    "stackTrace": ['  File "h.py", line 9, in h\n    work()\n'],
}


def test_the_short_form_is_level_message_and_what_differs() -> None:
    assert shown(LOGGER) == f"WARNING message failed  message_id=m-1 reason=rejected detail={'x' * 159}…"
    assert shown(UNHANDLED) == 'ERROR   ValueError: no  File "h.py", line 9, in h'
    assert shown({"_aws": {}, "service": "s", "Done": [3.0], "Failed": [0.0], "cold": [1]}) == "metrics Done=3.0 cold=1"
    assert shown(REPORT) == "lambda  812 ms, 203 MB"
    assert shown(TIMEOUT) == "lambda  30000 ms, init 678 ms, timeout"
    assert shown("plain words") == "plain words"


@pytest.mark.parametrize(
    "record",
    [
        {"_aws": {}, "service": "s", "Failed": [0.0], "Retried": 0},
        {"type": "platform.start", "record": {"requestId": "r"}},
        "START RequestId: x Version: 1",
        "END RequestId: x",
    ],
)
def test_the_short_form_leaves_out_what_says_nothing(record: object) -> None:
    assert shown(record) == ""


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (LOGGER, True),
        ({**LOGGER, "level": "INFO"}, False),
        (UNHANDLED, True),
        (REPORT, False),
        (TIMEOUT, True),
        ({"_aws": {}, "Failed": [1.0]}, False),
        ("2026-01-01T00:00:00Z 8c2f Task timed out after 3.00 seconds", True),
        ("RequestId: 8c2f Error: Runtime exited with error: signal: killed", True),
        ("START RequestId: x", False),
    ],
)
def test_a_problem_is_a_warning_an_error_a_timeout_or_a_crash(record: object, problem: bool) -> None:
    text = record if isinstance(record, str) else json.dumps(record)
    assert is_problem(entry_of({"timestamp": 0, "message": text})) is problem


def test_what_a_stranger_wrote_does_not_steer_the_terminal() -> None:
    line = line_of({"timestamp": 0, "message": json.dumps({"message": "a\u001b[2Jb", "id": "\u202e"})})
    assert "\u001b" not in line
    assert "\u202e" not in line


def test_errors_leaves_out_the_rest_and_a_pipe_gets_the_wide_form(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(deployed, (5, json.dumps({**LOGGER, "level": "INFO"})), (4, json.dumps(LOGGER)))
    monkeypatch.setattr("ops.commands.tail.load", lambda _: deployed.stack)
    assert main(["tail", "embedding", "--errors", "--stack", "test"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert "function_request_id=8c2f" in line
    assert main(["tail", "embedding", "--short", "--stack", "test"]) == 0
    assert "function_request_id" not in capsys.readouterr().out
