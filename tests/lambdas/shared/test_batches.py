"""Packing to limits, and dividing until what is bad stands alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.batches import Done, Failed, isolated, packed

if TYPE_CHECKING:
    from collections.abc import Sequence


class RefusedError(Exception):
    pass


class Service:
    """Refuses a request that holds something bad."""

    def __init__(self, *bad: int) -> None:
        self.bad = frozenset(bad)
        self.requests: list[list[int]] = []

    def work(self, items: Sequence[int]) -> int:
        self.requests.append(list(items))
        if self.bad & set(items):
            raise RefusedError(str(sorted(self.bad & set(items))))
        return len(items)

    def outcomes(self, items: Sequence[int]) -> tuple[list[int], list[int]]:
        found = list(
            isolated(
                items,
                self.work,
                divides=lambda error: isinstance(error, RefusedError),
                suspect=lambda _: False,
            )
        )
        done = [item for outcome in found if isinstance(outcome, Done) for item in outcome.items]
        return done, [outcome.item for outcome in found if isinstance(outcome, Failed)]


@given(st.lists(st.integers(1, 60)), st.integers(1, 5), st.integers(1, 100))
def test_groups_keep_order_and_limits_and_are_as_few_as_that_allows(sizes: list[int], most: int, limit: int) -> None:
    groups = list(packed(sizes, most=most, size=lambda size: size, limit=limit))
    assert [size for group in groups for size in group] == sizes
    assert all(0 < len(group) <= most for group in groups)
    assert all(sum(group) <= limit or len(group) == 1 for group in groups)
    for group, following in itertools.pairwise(groups):
        assert len(group) == most or sum(group) + following[0] > limit


@given(st.integers(1, 40), st.sets(st.integers(0, 39)))
def test_what_is_bad_is_found_and_nothing_else(count: int, bad: set[int]) -> None:
    bad = {item for item in bad if item < count}
    done, failed = Service(*bad).outcomes(range(count))
    assert done == [item for item in range(count) if item not in bad]
    assert failed == sorted(bad)


def test_one_bad_of_a_thousand_is_found_in_two_requests_for_each_division() -> None:
    service = Service(700)
    service.outcomes(range(1_024))
    assert len(service.requests) == 21


def test_what_the_caller_learns_changes_what_is_tried_next() -> None:
    service, seen = Service(1), list[int]()
    for outcome in isolated(
        range(4),
        lambda items: service.work([item for item in items if item < min(seen, default=9)]),
        divides=lambda _: True,
        suspect=lambda _: False,
    ):
        if isinstance(outcome, Failed):
            seen.append(outcome.item)
    assert service.requests == [[0, 1, 2, 3], [0, 1], [0], [1], []]


def test_a_service_that_refuses_everything_is_asked_about_once() -> None:
    service, asked = Service(*range(64)), list[str]()

    def suspect(error: Exception) -> bool:
        asked.append(str(error))
        raise ConnectionError("it refuses everything")

    with pytest.raises(ConnectionError, match="it refuses everything"):
        list(isolated(range(64), service.work, divides=lambda _: True, suspect=suspect))
    assert len(service.requests) == 1
    assert len(asked) == 1


def test_a_cause_that_is_removed_lets_the_same_request_pass() -> None:
    service = Service(3)

    def suspect(_: Exception) -> bool:
        service.bad = frozenset()
        return True

    assert list(isolated(range(8), service.work, divides=lambda _: True, suspect=suspect)) == [Done(range(8), 8)]


def test_a_failure_that_is_no_items_fault_is_raised() -> None:
    with pytest.raises(RefusedError):
        list(isolated([1], Service(1).work, divides=lambda _: False, suspect=lambda _: False))


def test_what_a_failed_request_has_done_is_not_asked_for_again() -> None:
    requests: list[list[int]] = []
    done: set[int] = set()

    def work(items: Sequence[int]) -> None:
        requests.append(list(items))
        done.update(set(items) - {5})
        if 5 in items:
            raise RefusedError

    outcomes = list(
        isolated(
            range(8),
            work,
            divides=lambda _: True,
            suspect=lambda _: False,
            left=lambda items: [item for item in items if item not in done],
        )
    )
    assert requests == [list(range(8))]
    assert [outcome.item for outcome in outcomes if isinstance(outcome, Failed)] == [5]
