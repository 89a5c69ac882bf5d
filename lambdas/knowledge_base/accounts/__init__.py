"""Accounts: who somebody is, and for how long a proof of it counts.

Nothing here tells whether an address has an account: not an answer, not the time that it takes, not the number of
reads and writes behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.knowledge_base import identifiers
from lambdas.knowledge_base.accounts.addresses import digest
from lambdas.knowledge_base.accounts.families import Families
from lambdas.knowledge_base.accounts.throttle import Throttle
from lambdas.knowledge_base.accounts.tokens import SigningKeys, Tokens
from lambdas.knowledge_base.errors import ApiError, UnauthorizedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.knowledge_base.accounts.passwords import Passwords
    from lambdas.knowledge_base.settings import Settings
    from lambdas.knowledge_base.tables import Table

__all__ = ["Accounts", "Pair", "SigningKeys", "User"]


@dataclass(frozen=True, slots=True)
class User:
    """Whoever asks."""

    id: str
    email: str


@dataclass(frozen=True, slots=True, repr=False)
class Pair:
    """What somebody gets who has signed in."""

    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds, of the access token."""


class Accounts:
    """The users table, and the keys that sign."""

    def __init__(
        self,
        settings: Settings,
        table: Table,
        keys: SigningKeys,
        passwords: Passwords,
        clock: Callable[[], float],
    ) -> None:
        """Put the parts together; nothing is read."""
        self._open = settings.registration_open
        self._table = table
        self._clock = clock
        self._tokens = Tokens(keys, settings.access_token_seconds, clock)
        self._families = Families(table, settings.refresh_token_days, clock)
        self._throttle = Throttle(table, clock)
        self._passwords = passwords

    def prepare(self) -> None:
        """Make the client that reads the key that signs."""
        self._tokens.prepare()

    def register(self, email: str, password: str) -> str:
        """Make an account.

        Args:
            email: normal (`addresses.normal`).
            password: as typed.

        Returns:
            The new user's id. Where the address is taken an id, too, which is nobody's: the account is left alone.

        Raises:
            ApiError: registration is closed.
        """
        if not self._open:
            raise ApiError(403, "registration_closed", "New accounts are not open here: ask whoever runs this.")
        user_id = identifiers.new(self._clock)
        account = {
            "id": _key(email),
            "user_id": user_id,
            "email": email,
            "password": self._passwords.hash(password),
            "created_at": int(self._clock()),
        }
        self._table.put(account, "attribute_not_exists(id)")
        return user_id

    def login(self, email: str, password: str, source: str) -> Pair:
        """Sign in.

        Args:
            email: normal.
            password: as typed.
            source: the network address of the client.

        Raises:
            TooManyError: it has failed too often for the account, or from the network address.
            UnauthorizedError: no such account, or another password; which is not said.
        """
        with self._throttle.attempt(email, source):
            account = self._table.get({"id": _key(email)}) or {}
            stored = account.get("password")
            if not self._passwords.verify(password, stored) or stored is None:
                raise UnauthorizedError("The address or the password is wrong.")
        if self._passwords.is_outdated(stored):
            hashed = self._passwords.hash(password)
            self._table.update({"id": _key(email)}, "SET password = :new", "password = :old", new=hashed, old=stored)
        user_id = account["user_id"]
        return self._pair(user_id, email, self._families.begin(user_id, email))

    def refresh(self, refresh_token: str) -> Pair:
        """Use a refresh token.

        Raises:
            UnauthorizedError: it does not count; its family has ended.
        """
        user_id, email, following = self._families.turn(refresh_token)
        return self._pair(user_id, email, following)

    def logout(self, refresh_token: str) -> None:
        """End the family of a refresh token, whichever of its tokens it is."""
        self._families.end(refresh_token)

    def user_of(self, access_token: str) -> User:
        """Whose access token it is.

        Raises:
            UnauthorizedError: it does not count.
        """
        claims = self._tokens.read(access_token)
        return User(claims["sub"], claims["email"])

    def _pair(self, user_id: str, email: str, refresh_token: str) -> Pair:
        return Pair(self._tokens.issue(user_id, email), refresh_token, self._tokens.lifetime_seconds)


def _key(email: str) -> str:
    return f"email#{digest(email)}"
