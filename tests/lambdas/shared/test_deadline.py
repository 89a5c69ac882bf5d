"""Time that is left, and time that a server asks for."""

from __future__ import annotations

import email.utils
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.deadline import OVERRUN_SECONDS, Deadline, OverrunError, Worker, retry_after_seconds
from tests.lambdas.conftest import Context


def test_a_deadline_is_five_seconds_before_the_functions_end() -> None:
    assert 835 < Deadline.of(Context(900)).left() <= 895
    assert Deadline.of(Context(3)).left() < 0


def test_an_earlier_deadline_leaves_time_for_what_comes_next() -> None:
    deadline = Deadline.after(1000)
    assert 540 < deadline.earlier(400).left() <= 600
    assert 940 < deadline.left() <= 1000


def test_work_that_ends_is_waited_for_and_answers() -> None:
    worker = Worker()
    assert worker.within(Deadline.after(10), lambda: 1) == 1
    assert worker.within(Deadline.after(-10), lambda: 1) == 1
    with pytest.raises(KeyError, match="as raised"):
        worker.within(Deadline.after(10), lambda: {}["as raised"])


def test_work_that_does_not_end_is_left_behind() -> None:
    worker, started, ended = Worker(), time.monotonic(), threading.Event()
    with pytest.raises(OverrunError, match="not back 1 s after the deadline"):
        worker.within(Deadline.after(0.1), ended.wait)
    assert time.monotonic() - started >= 0.1 + OVERRUN_SECONDS
    assert worker.within(Deadline.after(10), lambda: 1) == 1, "and does not stand in the way of what comes next"
    ended.set()


def test_all_work_is_done_in_one_thread_until_it_is_left_behind() -> None:
    worker, ended = Worker(), threading.Event()
    one, two = (worker.within(Deadline.after(10), threading.get_ident) for _ in range(2))
    assert one == two != threading.get_ident()
    with pytest.raises(OverrunError):
        worker.within(Deadline.after(-10), ended.wait)
    assert worker.within(Deadline.after(10), threading.get_ident) != one
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
    header = email.utils.formatdate(time.time() + 900, usegmt=True)
    assert 800 < (retry_after_seconds({"retry-after": header}) or 0) <= 900


@given(st.text(max_size=40))
def test_no_header_is_an_error(value: str) -> None:
    seconds = retry_after_seconds({"retry-after": value})
    assert seconds is None or seconds >= 0
