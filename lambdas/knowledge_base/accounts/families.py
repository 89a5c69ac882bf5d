"""Refresh tokens: a family for each sign-in, of which one token counts at a time.

A refresh makes the next token and ends the one before. Whoever comes with one that was used before ends the whole
family: either they or the one who used it has stolen it, and nobody can tell which. So of two refreshes with one token
at the same moment one gets an answer and the family ends: a page must have one refresh at a time. A client whose answer
got lost on its way has nothing but a used token, and has to sign in again. A few seconds of grace would spare it that,
and would give whoever stole a token the same seconds unnoticed.

A token is `<family>.<secret>`, both drawn at random; the table has the secret's hash only.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from lambdas.knowledge_base.errors import UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.knowledge_base.tables import Table

DAY_SECONDS = 24 * 60 * 60
_token = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")
MOST_CHARACTERS = 200
"""Of what is looked at: a token has 66."""


class Families:
    """The families of all users."""

    def __init__(self, table: Table, days: int, clock: Callable[[], float]) -> None:
        """Args: table: of users; days: after which a token that was not used ends; clock: as everywhere."""
        self._table = table
        self._seconds = days * DAY_SECONDS
        self._clock = clock

    def begin(self, user_id: str, email: str) -> str:
        """The first token of a new family."""
        family, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        self._table.put(
            {
                "id": _key(family),
                "user_id": user_id,
                "email": email,
                "current": _hashed(secret),
                "expires_at": int(self._clock()) + self._seconds,
            }
        )
        return f"{family}.{secret}"

    def turn(self, token: str) -> tuple[str, str, str]:
        """Use a token.

        Returns:
            Whose it is, their address, and the next token.

        Raises:
            UnauthorizedError: it does not count. If it did once, its family ends.
        """
        family, secret = _parts(token)
        following = secrets.token_urlsafe(32)
        now = int(self._clock())
        # One condition decides among all who come with the token at once.
        item = self._table.update(
            {"id": _key(family)},
            "SET #current = :following, expires_at = :later",
            "#current = :given AND expires_at > :now",
            given=_hashed(secret),
            following=_hashed(following),
            later=now + self._seconds,
            now=now,
        )
        if item is None:
            self._table.delete({"id": _key(family)})
            raise _refused()
        return item["user_id"], item["email"], f"{family}.{following}"

    def end(self, token: str) -> None:
        """End the family of a token, used or not. What is no token is none, which is as well."""
        try:
            family, _ = _parts(token)
        except UnauthorizedError:
            return
        self._table.delete({"id": _key(family)})


def _parts(token: str) -> tuple[str, str]:
    found = _token.fullmatch(token)
    if found is None:
        raise _refused()
    return found[1], found[2]


def _refused() -> UnauthorizedError:
    return UnauthorizedError("Sign in again: the refresh token was used before, has ended, or is not one.")


def _key(family: str) -> str:
    """What the table has of a family's name: whoever reads the table can end no family and use no token."""
    return f"family#{_hashed(family)}"


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
