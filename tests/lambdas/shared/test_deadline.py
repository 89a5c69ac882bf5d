"""Time that is left, and time that a server asks for."""

from __future__ import annotations

import email.utils
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.deadline import OVERRUN_SECONDS, Deadline, OverrunError, retry_after_seconds, within
from tests.lambdas.conftest import Context


def test_a_deadline_is_five_seconds_before_the_functions_end() -> None:
    assert Deadline.of(Context(30)).left() == pytest.approx(25, abs=0.1)
    assert Deadline.of(Context(3)).left() < 0


def test_an_earlier_deadline_leaves_time_for_what_comes_next() -> None:
    deadline = Deadline.after(10)
    assert deadline.earlier(4).left() == pytest.approx(6, abs=0.1)
    assert deadline.left() == pytest.approx(10, abs=0.1)


def test_work_that_ends_is_waited_for_and_answers() -> None:
    assert within(Deadline.after(10), lambda: 1) == 1
    assert within(Deadline.after(-10), lambda: 1) == 1
    with pytest.raises(KeyError, match="as raised"):
        within(Deadline.after(10), lambda: {}["as raised"])


def test_work_that_does_not_end_is_left_behind() -> None:
    started, ended = time.monotonic(), threading.Event()
    with pytest.raises(OverrunError, match="not back 1 s after the deadline"):
        within(Deadline.after(0.1), ended.wait)
    assert 0.1 + OVERRUN_SECONDS <= time.monotonic() - started < 5
    ended.set()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "later"}, None),
        ({"retry-after": "inf"}, float("inf")),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
    ],
)
def test_what_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


def test_an_http_date_is_a_time_from_now() -> None:
    header = email.utils.formatdate(time.time() + 90, usegmt=True)
    assert retry_after_seconds({"retry-after": header}) == pytest.approx(90, abs=2)


@given(st.text(max_size=40))
def test_no_header_is_an_error(value: str) -> None:
    seconds = retry_after_seconds({"retry-after": value})
    assert seconds is None or seconds >= 0
