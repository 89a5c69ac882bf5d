"""Filtering log events by a field of JSON records: what is modelled matches as in CloudWatch, the rest is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from sandbox.emulator import Emulator
from sandbox.emulator_filters import matcher
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Account

MESSAGES = [
    json.dumps({"level": "ERROR", "error": {"type": "Timeout"}}),
    json.dumps({"level": "INFO", "message": "ERROR"}),
    "[ERROR] no JSON",
]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with Workspace("filters", tmp_path_factory.mktemp("sandbox")) as workspace:
        account = Emulator(workspace).start()
        logs = account.client("logs")
        logs.create_log_group(logGroupName="group")
        logs.create_log_stream(logGroupName="group", logStreamName="stream")
        events = [{"timestamp": 1_700_000_000_000 + number, "message": text} for number, text in enumerate(MESSAGES)]
        logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=events)
        yield account


def filtered(account: Account, pattern: str) -> list[int]:
    """Which of the messages a pattern leaves."""
    found = account.client("logs").filter_log_events(logGroupName="group", filterPattern=pattern)["events"]
    return [MESSAGES.index(event["message"]) for event in found]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ('{ $.level = "ERROR" }', [0]),
        ('{$.level="ERROR"}', [0]),
        ('{ $.level != "ERROR" }', [1]),
        ('{ $.error.type = "Timeout" }', [0]),
        ('{ $.error = "Timeout" }', []),
        ("ERROR", [0, 1, 2]),
        ("", [0, 1, 2]),
    ],
)
def test_a_field_of_the_record_decides(account: Account, pattern: str, left: list[int]) -> None:
    assert filtered(account, pattern) == left


def test_a_pattern_that_is_not_modelled_is_refused_and_not_ignored(account: Account) -> None:
    with pytest.raises(ClientError, match=r"InvalidParameterException.*\$\.status > 499"):
        filtered(account, "{ $.status > 499 }")


@pytest.mark.parametrize(
    "pattern",
    [
        '{ $.level = "ERR*" }',
        "{ $.level = ERROR }",
        "{ $.level = %ERR% }",
        '{ $.list[0] = "x" }',
        '{ ($.a = "x") && ($.b = "y") }',
        '{ $.a = "x" || $.b = "y" }',
        "{ $.a EXISTS }",
        '{ $ = "x" }',
        '{ $.level = "ERROR" ',
    ],
)
def test_what_would_match_otherwise_in_cloudwatch_is_not_modelled(pattern: str) -> None:
    assert matcher(pattern) is None


@pytest.mark.parametrize("message", ["", "[]", "null", '"level"', '{"level": 1}', '{"level": null}', "{}"])
def test_a_record_without_a_text_there_matches_neither_way(message: str) -> None:
    for operator in ("=", "!="):
        decides = matcher(f'{{ $.level {operator} "ERROR" }}')
        assert decides is not None
        assert not decides(message)
