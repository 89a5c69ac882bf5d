"""How often signing in may fail: for an account, and for the network address that it is tried from.

Owns the counting. A place is taken before a password is looked at and given back when it was right, so tries at the
same moment do not all see the same count. Whether there is such an account makes no difference to any of it.
"""

from __future__ import annotations

import ipaddress
import random
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base.accounts.addresses import digest
from lambdas.knowledge_base.errors import TooManyError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from lambdas.knowledge_base.tables import Table

MOST_FAILURES = 10
WINDOW_SECONDS = 15 * 60
ABANDONED_SECONDS = 30
"""A try that is not done by then was in an environment that ended: it counts as failed."""
PATIENCE_SECONDS = 10.0
"""For tries in progress, which may give their places back: everybody of an office signs in from one address at nine."""
IPV6_NETWORK_BITS = 64
"""What one customer of a network has at least."""


class Throttle:
    """The tries of the last quarter of an hour.

    An item of the table has a map of tries: a random name to the second of a failure, or to the negative second in
    which a try began that is not done.
    """

    def __init__(self, table: Table, clock: Callable[[], float], sleep: Callable[[float], None] = time.sleep) -> None:
        """Args: table: of users; clock: as everywhere; sleep: waits for tries in progress."""
        self._table = table
        self._clock = clock
        self._sleep = sleep

    @contextmanager
    def attempt(self, email: str, source: str) -> Generator[None]:
        """Within, a password may be looked at. It was wrong when an `UnauthorizedError` leaves; nothing else counts.

        Args:
            email: of the account, whether there is one or not; normal.
            source: the network address of the client.

        Raises:
            TooManyError: too much has failed.
        """
        name = f"t{secrets.token_hex(8)}"
        taken: list[str] = []
        try:
            for subject in (f"failures#account#{digest(email)}", f"failures#address#{digest(_network(source))}"):
                self._take(subject, name)
                taken.append(subject)
            yield
        except UnauthorizedError:
            for subject in taken:
                self._table.update({"id": subject}, f"SET tries.#{name} = :at", "attribute_exists(tries)", at=self._now)
            raise
        except BaseException:
            self._give_back(taken, name)
            raise
        self._give_back(taken, name)

    @property
    def _now(self) -> int:
        return int(self._clock())

    def _take(self, subject: str, name: str) -> None:
        """Take a place among the tries that may fail.

        Raises:
            TooManyError: there is none.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._took(subject, name):
            tries = self._tries(subject)
            failed = sorted(-at if at < 0 else at for at in tries.values() if self._has_failed(at))
            if len(failed) >= MOST_FAILURES:
                raise _too_many(failed[-MOST_FAILURES] + WINDOW_SECONDS - self._now)
            if time.monotonic() >= until:
                raise _too_many(1)
            if len(tries) >= MOST_FAILURES:
                self._sleep(random.uniform(0.02, 0.1))  # noqa: S311 - so that not all come back at once

    def _took(self, subject: str, name: str) -> bool:
        taken = self._table.update(
            {"id": subject},
            f"SET tries.#{name} = :at, expires_at = :end",
            "size(tries) < :most",
            at=-self._now,
            end=self._now + WINDOW_SECONDS,
            most=MOST_FAILURES,
        )
        return taken is not None or self._table.put(
            {"id": subject, "tries": {name: -self._now}, "expires_at": self._now + WINDOW_SECONDS},
            "attribute_not_exists(id)",
        )

    def _tries(self, subject: str) -> dict[str, Any]:
        """What counts; what is too long ago is removed."""
        tries = (self._table.get({"id": subject}) or {}).get("tries", {})
        old = [name for name, at in tries.items() if abs(at) + WINDOW_SECONDS <= self._now]
        if old:
            self._remove(subject, *old)
        return {name: at for name, at in tries.items() if name not in old}

    def _has_failed(self, at: int) -> bool:
        return at >= 0 or -at + ABANDONED_SECONDS <= self._now

    def _give_back(self, subjects: list[str], name: str) -> None:
        for subject in subjects:
            self._remove(subject, name)

    def _remove(self, subject: str, *names: str) -> None:
        removed = ", ".join(f"tries.#{name}" for name in names)
        self._table.update({"id": subject}, f"REMOVE {removed}", "attribute_exists(tries)")


def _network(source: str) -> str:
    """The address, or the network of an IPv6 one."""
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return source
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(address), IPV6_NETWORK_BITS), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)


def _too_many(seconds: int) -> TooManyError:
    return TooManyError(
        "too_many_failures", "Signing in has failed too often: wait a while and try again.", max(1, seconds)
    )
