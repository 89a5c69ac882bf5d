"""E-mail addresses: one form for the many in which the same one is typed, and the key under which it is kept.

Owns what counts as the same address: letter case, compatibility forms and surrounding space make no difference, nor
does whether a domain's umlauts are encoded. Whether somebody reads the mail is not asked.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MOST_CHARACTERS = 254
"""RFC 5321: of a path, without its brackets."""
_MOST_LOCAL = 64
_local = re.compile(r"[^\s@\"(),:;<>\[\\\]\x00-\x1f\x7f]+")
_domain = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")


def normal(address: str) -> str:
    """The one form of an address.

    Raises:
        ValueError: it is not an address.
    """
    text = unicodedata.normalize("NFKC", address).strip().casefold()
    local, _, domain = unicodedata.normalize("NFKC", text).rpartition("@")
    try:
        domain = domain if domain.isascii() else domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    whole = f"{local}@{domain}"
    dotted = local.startswith(".") or local.endswith(".") or ".." in local
    visible = all(character.isprintable() for character in local)
    if (
        len(whole) > MOST_CHARACTERS
        or len(local.encode()) > _MOST_LOCAL
        or dotted
        or not visible
        or not _local.fullmatch(local)
        or not _domain.fullmatch(domain)
    ):
        raise ValueError("it has to be an e-mail address")
    return whole


def digest(address: str) -> str:
    """What stands for a normal address in keys, which AWS's own logs may show."""
    return hashlib.sha256(address.encode()).hexdigest()
