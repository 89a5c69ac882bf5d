"""A few asynchronous events at once, and none lost among those that wait."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from sandbox.cloud import wait_until
from sandbox.emulator_concurrency import Concurrency

if TYPE_CHECKING:
    from tests.sandbox.hosted import Hosted

SLOW = """
import time
def handler(event, context):
    time.sleep(0.2)
    print("done", event["number"])
"""


def most_at_once(concurrency: Concurrency, reserved: list[int | None], events: int = 40) -> int:
    """How many of so many events were in work together at most."""
    running, most, lock = 0, 0, threading.Lock()

    def work(number: int) -> None:
        nonlocal running, most
        with concurrency.place(f"function-{number % len(reserved)}", lambda: reserved[number % len(reserved)]):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.005)
            with lock:
                running -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(events)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
        assert not thread.is_alive()
    return most


@pytest.mark.parametrize(("reserved", "most"), [([None], 5), ([2], 2), ([2, None], 5), ([9], 5)])
def test_no_more_are_in_work_than_there_are_places(reserved: list[int | None], most: int) -> None:
    assert 1 <= most_at_once(Concurrency(account=5), reserved) <= most


def test_a_reservation_that_is_set_anew_counts_for_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.emulator_concurrency.LOOK_AGAIN_SECONDS", 0.01)
    reserved = [0]
    concurrency, begun = Concurrency(), threading.Event()

    def work() -> None:
        with concurrency.place("function", lambda: reserved[0]):
            begun.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not begun.wait(0.1)
    reserved[0] = 1
    assert begun.wait(100)
    thread.join(100)


@pytest.mark.xdist_group("lambda-host")
@pytest.mark.parametrize("reserved", [2, None])
def test_many_events_share_a_few_environments(hosted: Hosted, reserved: int | None) -> None:
    client, group = hosted.account.client("lambda"), f"many-{reserved}"
    streams = f"arn:aws:logs:*:*:log-group:{group}:*"
    logs = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": streams}
    name = hosted.function(SLOW, role=hosted.role([logs]), group=group)
    if reserved is not None:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
    events = 30 if reserved is None else 8
    for number in range(events):
        client.invoke(
            FunctionName=name, Qualifier="live", InvocationType="Event", Payload=f'{{"number": {number}}}'.encode()
        )
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, sum(each["function"] == name for each in hosted.host.environments()))
        return sum("done" in line for line in hosted.log(group)) >= events

    wait_until(over, "every event to be done", 200)
    assert 1 <= most <= (reserved or 10)
