"""Access tokens: JWTs signed with HMAC-SHA-256, and the keys that count.

Owns the claims and the rotation of the signing key. A token cannot be called back, so it lives 15 minutes at most; what
lives longer are refresh families (`families.py`).

The secret is one key, or JSON `{"current", "previous"}`. Both of a pair count until somebody stores it without the
second. What Secrets Manager calls AWSPREVIOUS counts for an hour after a rotation: longer than any token lives.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any

import jwt

from lambdas.knowledge_base import identifiers
from lambdas.knowledge_base.errors import UnauthorizedError
from lambdas.shared.key_values import signing_keys_of
from lambdas.shared.rotation import RotatedSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ALGORITHM = "HS256"
ISSUER = "knowledge_base"
AUDIENCE = "knowledge_base:api"
MOST_TOKEN_CHARACTERS = 2_048
_CLAIMS = ["exp", "iat", "iss", "aud", "sub", "email"]


class SigningKeys:
    """The keys by reference; read when they are first used."""

    def __init__(self, name: str, environment: Mapping[str, str], *, function: str) -> None:
        """As for `lambdas.shared.secret.Secret`."""
        self._secret = RotatedSecret(name, environment, function=function, form=_form)

    def current(self) -> str:
        """The one that signs.

        Raises:
            SecretError: it cannot be read, or it is not a key.
        """
        return next(self.accepted())

    def accepted(self) -> Iterator[str]:
        """Yield the keys that count, the likeliest first.

        Raises:
            SecretError: as for `current`.
        """
        for stored in self._secret.accepted():
            yield from json.loads(stored)

    def prepare(self) -> None:
        """As for `Secret`."""
        self._secret.prepare()


def _form(name: str, stored: str) -> str:
    """The keys as one text: what a `Secret` keeps."""
    return json.dumps(signing_keys_of(name, stored))


class Tokens:
    """Makes and reads access tokens."""

    def __init__(self, keys: SigningKeys, lifetime_seconds: int, clock: Callable[[], float]) -> None:
        """Args: keys: that sign; lifetime_seconds: of a token; clock: gives the second (Unix time)."""
        self._keys = keys
        self.lifetime_seconds = lifetime_seconds
        self._clock = clock

    def prepare(self) -> None:
        """As for `SigningKeys`."""
        self._keys.prepare()

    def issue(self, user_id: str, email: str) -> str:
        """A new token.

        Raises:
            SecretError: there is no key to sign with.
        """
        key = self._keys.current()
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user_id,
            "email": email,
            "iat": now,
            "exp": now + self.lifetime_seconds,
        }
        return jwt.encode(claims, key, ALGORITHM, headers={"kid": key_id(key)})

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token that counts.

        Raises:
            UnauthorizedError: it does not count; why is not said.
            SecretError: the keys cannot be read.
        """
        try:
            named = jwt.get_unverified_header(token).get("kid") if len(token) <= MOST_TOKEN_CHARACTERS else None
        except jwt.PyJWTError:
            named = None
        # Only a token that names a key is worth a look at what is stored now.
        key = next((key for key in self._keys.accepted() if key_id(key) == named), None) if named else None
        if key is None:
            raise UnauthorizedError
        return self._verified(token, key)

    def _verified(self, token: str, key: str) -> dict[str, Any]:
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={"require": _CLAIMS, "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError):
            raise UnauthorizedError from None
        # By our own clock, and never longer than a token may live, whatever one says that somebody signed elsewhere.
        now, issued, ends = self._clock(), claims["iat"], claims["exp"]
        times = isinstance(issued, int) and isinstance(ends, int)
        whole = times and isinstance(claims["email"], str) and identifiers.valid(claims["sub"])
        if not whole or not issued - CLOCKS_DIFFER_SECONDS <= now < min(ends, issued + self.lifetime_seconds):
            raise UnauthorizedError
        return claims


CLOCKS_DIFFER_SECONDS = 5
"""Between two environments."""


def key_id(key: str) -> str:
    """What names a key in a token's header, and says nothing of it."""
    return hmac.new(key.encode(), b"knowledge_base key id", "sha256").hexdigest()[:16]
