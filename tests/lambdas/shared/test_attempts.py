"""The one retry loop: how often, when, and what is raised in the end."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lambdas.shared.attempts import Failure, NoTimeLeftError, Policy, attempt
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = Policy(retries=3, first_wait_seconds=0.01, max_wait_seconds=0.02, try_seconds=5)


class AnswerError(Exception):
    def __init__(self, status: int | None, *, final: bool = False, **headers: str) -> None:
        super().__init__(f"answered {status}")
        self.failure = Failure(
            ValueError(f"means {status}"),
            status,
            {name.replace("_", "-"): value for name, value in headers.items()},
            final,
        )


class Server:
    """Answers what it is told, one after the other."""

    def __init__(self, *answers: AnswerError | None) -> None:
        self.answers = list(answers)
        self.allowed: list[float] = []

    def __call__(self, seconds: float) -> str:
        self.allowed.append(seconds)
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return "done"


def explain(error: Exception) -> Failure | None:
    return error.failure if isinstance(error, AnswerError) else None


def run(server: Callable[[float], str], policy: Policy = QUICK, seconds: float = 30) -> str:
    return attempt(server, explain, policy, Deadline.after(seconds))


@pytest.mark.parametrize("status", [None, 408, 409, 425, 429, 500, 503, 529])
def test_what_may_pass_is_tried_again(status: int | None) -> None:
    server = Server(AnswerError(status), AnswerError(status), None)
    assert run(server) == "done"
    assert len(server.allowed) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_cannot_pass_is_not(status: int) -> None:
    server = Server(AnswerError(status))
    with pytest.raises(ValueError, match=f"means {status}") as caught:
        run(server)
    assert caught.value.__suppress_context__
    assert len(server.allowed) == 1


def test_a_final_failure_is_not_tried_again_whatever_its_status() -> None:
    server = Server(AnswerError(429, final=True))
    with pytest.raises(ValueError, match="means 429"):
        run(server)
    assert len(server.allowed) == 1


def test_the_statuses_are_the_policys() -> None:
    assert run(Server(AnswerError(404), None), replace(QUICK, statuses=frozenset({404}))) == "done"


def test_tries_end_with_the_last_failure() -> None:
    server = Server(*[AnswerError(500)] * 3, AnswerError(503))
    with pytest.raises(ValueError, match="means 503"):
        run(server)
    assert len(server.allowed) == 4


def test_what_nobody_expects_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda _: str(1 / 0))


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    started = time.monotonic()
    assert run(Server(AnswerError(429, Retry_After="0.3"), None)) == "done"
    assert time.monotonic() - started >= 0.3


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match="means 429"):
        run(Server(AnswerError(429, retry_after="60")), seconds=10)
    assert time.monotonic() - started < 50


def test_a_try_gets_what_is_left_and_none_begins_without_time() -> None:
    server = Server(None)
    assert run(server, replace(QUICK, try_seconds=900), seconds=600) == "done"
    assert 540 < server.allowed[0] <= 600
    with pytest.raises(NoTimeLeftError):
        run(server, seconds=0)


def test_a_try_that_used_up_the_time_says_so() -> None:
    def slow(seconds: float) -> str:
        time.sleep(seconds)
        raise AnswerError(None)

    with pytest.raises(NoTimeLeftError):
        run(slow, seconds=0.1)


def test_waits_double_up_to_the_longest_and_are_left_to_chance_by_half() -> None:
    policy = Policy(retries=9, first_wait_seconds=0.5, max_wait_seconds=8, try_seconds=1)
    for retry, longest in enumerate([0.5, 1, 2, 4, 8, 8, 8]):
        waits = {policy.wait_seconds(retry) for _ in range(50)}
        assert longest / 2 <= min(waits) < max(waits) <= longest
