"""The forms in which a key is kept as a secret: plain, or as the Secrets Manager console writes it.

Owns what is read from a stored value and what is refused, for the function that reads it and the command that sets it.
Standard library only; no value is ever in what is raised.
"""

from __future__ import annotations

import json
import re
from typing import Any

LEAST_SIGNING_BYTES = 32
"""Of a key for HMAC-SHA-256: as long as the hash (RFC 7518, 3.2)."""
_header_value = re.compile(r"[\x21-\x7e]+")
_assignment = re.compile(
    # Of something that is called a key, also of nothing to it; else of a name as variables have, or of letters alone.
    # An `=` at the end is base64's.
    r"(?:export\s+)?(?:[a-z_-]*(?:key|token|secret)\s*[=:]"
    r"|[a-z][a-z0-9]*(?:_[a-z0-9]+)+\s*=\s*[^=\s]).*",
    re.DOTALL | re.IGNORECASE,
)
_named = re.compile(r"[A-Za-z_-]+(?:=+[^=]|:).*", re.DOTALL)
_marks = re.compile(r"[{}\[\]<>\"'`$]")
_words = frozenset({"null", "none", "true", "false", "undefined"})
_pem_file = re.compile(
    r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+\n-----END (?:[A-Z]+ )?PRIVATE KEY-----"
)


class KeyFormError(ValueError):
    """A stored value is not one that can be sent as a key; says why, to follow the secret's name."""


def check_form(name: str, stored: str) -> None:
    """See that a value can be what a secret of that name holds; one that is not called a key or token may be any text.

    Raises:
        KeyFormError: it cannot.
    """
    if name.endswith("_SECRET_KEY"):
        signing_keys_of(name, stored)
    elif _is_issued(name):
        key_of(name, stored)


def key_of(name: str, stored: str) -> str:
    """The key in a stored value.

    Args:
        name: of the secret, such as `OPENAI_API_KEY`.
        stored: the key itself; or a JSON object, as the console's key/value form makes it, with one entry or one of the
            secret's name.

    Raises:
        KeyFormError: it is neither, or it is empty.
    """
    value = _entry(name, stored.strip()) if stored.lstrip()[:1] == "{" else stored.strip()
    if not value:
        raise KeyFormError("is empty")
    if name.endswith("_PRIVATE_KEY"):
        return _pem(value)
    if value[0] in "\"'`" or value[-1] in "\"'`":
        raise KeyFormError("begins or ends with a quotation mark, which is no part of a key: store it without")
    if _assignment.fullmatch(value):
        raise KeyFormError("is an assignment, such as NAME=value: store what is behind the sign only")
    if _header_value.fullmatch(value) is None:
        raise KeyFormError("has spaces, control or non-ASCII characters within, and cannot be sent as a key")
    if _is_issued(name):
        _check_issued(value)
    return value


def _is_issued(name: str) -> bool:
    """Whether a secret is a service's to make; what signs or is compared may be any text of its owner's."""
    return name.endswith(("_KEY", "_TOKEN")) and not name.endswith("_SECRET_KEY")


def _check_issued(value: str) -> None:
    """Refuse what no service issues: what is around a key in files and programs, or stands for one there."""
    if _named.fullmatch(value):
        raise KeyFormError("is an assignment, such as NAME=value: store what is behind the sign only")
    if _marks.search(value):
        raise KeyFormError("has brackets, quotation marks or $ within, which no key has: store the key alone")
    if value.lower() in _words:
        raise KeyFormError("is a word that stands for nothing, and not a key")


def signing_keys_of(name: str, stored: str) -> list[str]:
    """The keys that sign, and that what was signed is verified with: the current one first.

    Args:
        name: of the secret, such as `JWT_SECRET_KEY`.
        stored: one key, or JSON `{"current", "previous"}`.

    Raises:
        KeyFormError: it is neither, or a key is too short.
    """
    pair = _pair(stored)
    keys = [key_of(name, stored)] if pair is None else [key_of(name, key) for key in pair]
    if any(len(key.encode()) < LEAST_SIGNING_BYTES for key in keys):
        raise KeyFormError(
            f"is too short to sign with: a key has at least {LEAST_SIGNING_BYTES} characters, all of them random"
        )
    return keys


def _pair(stored: str) -> list[str] | None:
    try:
        entries: dict[str, Any] = json.loads(stored) if stored.lstrip()[:1] == "{" else {}
    except (ValueError, RecursionError):
        return None
    if not entries or not entries.keys() <= {"current", "previous"}:
        return None
    keys: list[Any] = [entries[part] for part in ("current", "previous") if entries.get(part)]
    if not entries.get("current") or not all(isinstance(key, str) for key in keys):
        raise KeyFormError('is JSON whose "current" is empty, or with a key that is not a text')
    return keys


def _pem(value: str) -> str:
    """A private key as a file holds it; its lines may have come as the two characters of a JSON text."""
    text = value.replace("\\n", "\n").replace("\r\n", "\n")
    if _pem_file.fullmatch(text) is None:
        raise KeyFormError("is not a private key in PEM form (-----BEGIN … PRIVATE KEY-----): store the file's content")
    return text


def _entry(name: str, stored: str) -> str:
    try:
        entries = json.loads(stored)
    except (ValueError, RecursionError):
        raise KeyFormError("begins with { and is not valid JSON: store the key alone") from None
    chosen = entries.get(name, next(iter(entries.values())) if len(entries) == 1 else None)
    if chosen is None:
        raise KeyFormError(
            f"is JSON without an entry {name}, and with more or less than one entry: store the key alone"
        )
    if not isinstance(chosen, str):
        raise KeyFormError("is JSON whose entry is not a string: store the key alone")
    return chosen.strip()
