"""Time that is left, and time that a server asks for."""

from __future__ import annotations

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.deadline import Deadline, retry_after_seconds
from tests.lambdas.conftest import Context


def test_a_deadline_is_five_seconds_before_the_functions_end() -> None:
    assert Deadline.of(Context(30)).left() == pytest.approx(25, abs=0.1)
    assert Deadline.of(Context(3)).left() < 0


def test_an_earlier_deadline_leaves_time_for_what_comes_next() -> None:
    deadline = Deadline.after(10)
    assert deadline.earlier(4).left() == pytest.approx(6, abs=0.1)
    assert deadline.left() == pytest.approx(10, abs=0.1)


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
