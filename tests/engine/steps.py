"""Steps that are taken once: by the first test that needs one, and failing for every other when it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class step(Generic[T]):  # noqa: N801 - used as a decorator, like cached_property
    """A property that is computed once, whether that succeeds or not."""

    def __init__(self, take: Callable[[Any], T]) -> None:
        self._take = take
        self._name = take.__name__
        self.__doc__ = take.__doc__

    @overload
    def __get__(self, story: None, owner: type) -> step[T]: ...
    @overload
    def __get__(self, story: object, owner: type) -> T: ...
    def __get__(self, story: object | None, owner: type) -> T | step[T]:
        if story is None:
            return self
        failed = f"_{self._name} has failed"
        if failed in story.__dict__:
            pytest.fail(f"the step `{self._name}` has failed in an earlier test", pytrace=False)
        try:
            result = self._take(story)
        except BaseException:
            story.__dict__[failed] = True
            raise
        story.__dict__[self._name] = result  # found before this descriptor from now on
        return result
