"""Passwords → hashes: argon2id.

Why argon2 and not bcrypt: bcrypt reads 72 bytes and no more, so a long password would be cut or refused, and it costs
an attacker's graphics card hardly any memory. Why these parameters: RFC 9106's second recommendation (64 MiB, 3 passes,
4 lanes), because Lambda hands an environment one request at a time, so the 64 MiB are taken once of the 3,008 MB; at
that memory a function has 1.7 processors and a hash takes about a tenth of a second.
"""

from __future__ import annotations

import base64
import secrets
import unicodedata

from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

LENGTHS = (10, 128)
"""In characters."""


class Passwords:
    """Hashes and verifies, always in the same time whether or not there is something to verify."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Args: hasher: with other parameters than the recommended ones."""
        self._hasher = hasher or PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
        self._of_nobody = _of_nobody(self._hasher)

    def hash(self, password: str) -> str:
        """A new salted hash."""
        return self._hasher.hash(_normal(password))

    def verify(self, password: str, stored: str | None) -> bool:
        """Whether it is the password.

        Args:
            password: as it was typed.
            stored: its hash; None where there is no account, which takes as long and is False.
        """
        try:
            self._hasher.verify(stored or self._of_nobody, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def checked(self) -> str:
        """Hash and verify something; the parameters. For the health report.

        Raises:
            RuntimeError: what was hashed is not verified.
        """
        stored = self.hash("a health check's password")
        if not self.verify("a health check's password", stored) or self.verify("another password", stored):
            raise RuntimeError("a hash is not verified")
        return "$".join(stored.split("$")[1:4])


def _of_nobody(hasher: PasswordHasher) -> str:
    """The hash of a password that nobody knows, drawn at random: it takes as long to verify as any other."""
    salt, hashed = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${hashed}"


def _normal(password: str) -> str:
    """The same characters in the same form, whatever keyboard they come from (NIST SP 800-63B, 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password)
