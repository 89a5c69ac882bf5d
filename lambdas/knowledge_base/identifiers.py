"""Ids and cursors: opaque to whoever gets them.

Ids are ULIDs in lower case: 26 characters, ordered by the millisecond in which they were made, and within one process
by the order in which they were. Cursors hold where a list goes on, and of which list.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import threading
import time
from typing import TYPE_CHECKING

from lambdas.knowledge_base.errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = 26
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_MOST_CURSOR = 400
"""Characters; longer ones were not made here."""
_id = re.compile(rf"[0-7][{_ALPHABET}]{{{LENGTH - 1}}}")


class _Maker:
    """Makes ids that are never out of order within the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, milliseconds: int) -> int:
        with self._lock:
            drawn = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
            # Within a millisecond the next one is a random step further, so nobody can tell it from the one before.
            if drawn <= self._last and drawn >> _RANDOM_BITS == self._last >> _RANDOM_BITS:
                drawn = self._last + 1 + secrets.randbits(_RANDOM_BITS // 2)
            self._last = drawn
            return drawn


_maker = _Maker()


def new(clock: Callable[[], float] = time.time) -> str:
    """A new id.

    Args:
        clock: gives the second (Unix time) that it is made in.
    """
    number = _maker.next(int(clock() * 1000))
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))


def valid(text: str) -> bool:
    """Whether a text has the form of an id."""
    return _id.fullmatch(text) is not None


def cursor(scope: str, last: str) -> str:
    """Where a list goes on.

    Args:
        scope: which list it is, and whose: `documents/<user id>`.
        last: the id of the last item that was given out.
    """
    return base64.urlsafe_b64encode(f"{scope}/{last}".encode()).decode().rstrip("=")


def position(scope: str, text: str | None) -> str | None:
    """The id in a cursor; None without one.

    Raises:
        BadRequestError: it is not a cursor of this list (`bad_cursor`).
    """
    if text is None:
        return None
    try:
        read = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        read = ""
    found, _, last = read.rpartition("/")
    if len(text) > _MOST_CURSOR or found != scope or not valid(last):
        raise BadRequestError("The cursor is not one of this list: start again without it.", "bad_cursor")
    return last
