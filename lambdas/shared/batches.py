"""Many things in few requests: packed to a service's limits, and divided when a request fails because of one of them.

Owns the grouping. What a request is, and which failures may be one item's fault, is the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """Items that a request was made for, with success."""

    items: Sequence[T]
    result: R


@dataclass(frozen=True, slots=True)
class Failed(Generic[T]):
    """The one item that makes its requests fail."""

    item: T
    error: Exception


def packed(items: Iterable[T], *, most: int, size: Callable[[T], int], limit: int) -> Iterator[list[T]]:
    """Put items into groups that fit into one request each.

    Args:
        items: in the order that they are to keep.
        most: items in a group.
        size: of one item, in the unit of the limit.
        limit: sum of the sizes in a group; an item that exceeds it alone has a group of its own.

    Returns:
        The groups, none of them empty.
    """
    group: list[T] = []
    total = 0
    for item in items:
        more = size(item)
        if group and (len(group) == most or total + more > limit):
            yield group
            group, total = [], 0
        group.append(item)
        total += more
    if group:
        yield group


def isolated(
    items: Sequence[T],
    work: Callable[[Sequence[T]], R],
    *,
    divides: Callable[[Exception], bool],
    suspect: Callable[[Exception], bool],
    left: Callable[[Sequence[T]], Sequence[T]] = lambda group: group,
) -> Iterator[Done[T, R] | Failed[T]]:
    """Make one request for all items; when it fails, divide until what makes it fail stands alone.

    A service that refuses everything looks as if every item were bad, and dividing costs two requests an item. So the
    caller is asked before the first division.

    Args:
        items: one or more.
        work: makes a request for some of them.
        divides: whether a failure may be the fault of one item. Any other is raised.
        suspect: called once, with the first failure: finds out whether it is the service's own, and then raises.
            Returns whether it has removed the cause, so the same request is worth making again.
        left: what of a failed request is still to be done, when a part of it succeeded.

    Returns:
        What became of the items, in their order, as soon as it is known: what the caller learns from an outcome may
        change what `work` does next.

    Raises:
        Exception: what `work` raised and `divides` denied; what `suspect` raised.
    """
    pending: list[Sequence[T]] = [items]
    asked = False
    while pending:
        group = pending.pop()
        try:
            result = work(group)
        except Exception as error:
            if not divides(error):
                raise
            again = not asked and suspect(error)
            asked = True
            group = left(group)
            if again:
                pending.append(group)
            elif len(group) == 1:
                yield Failed(group[0], error)
            else:
                middle = len(group) // 2
                pending += [half for half in (group[middle:], group[:middle]) if half]
        else:
            yield Done(group, result)
