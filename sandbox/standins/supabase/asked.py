"""A request's headers: what its client prefers to be answered, in which form, and which rows of it.

https://docs.postgrest.org/en/v14/references/api/preferences.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.supabase.catalog import SCHEMA
from sandbox.standins.supabase.errors import RefusedError, not_played

if TYPE_CHECKING:
    from starlette.datastructures import Headers

OBJECT: Final = "application/vnd.pgrst.object"
JSON_TYPES: Final = ("application/json", "*/*", "application/*", "application/vnd.pgrst.array+json")
PREFERENCES: Final = {
    "return": ("minimal", "representation"),
    "resolution": ("merge-duplicates", "ignore-duplicates"),
    "count": ("exact",),
    "missing": ("null",),
    "handling": ("strict", "lenient"),
    "tx": ("commit",),
}
NOT_PLAYED: Final = {
    "return": ("headers-only",),
    "count": ("planned", "estimated"),
    "missing": ("default",),
    "tx": ("rollback",),
}
UNKNOWN_TO_THIS: Final = ("timezone", "max-affected", "params")
RANGE: Final = re.compile(r"(\d+)-(\d*)")


@dataclass(slots=True)
class Asked:
    """What the headers say."""

    single: bool = False
    """One object instead of a list; anything but one row is an error."""
    returning: bool = False
    resolution: str | None = None
    count: bool = False
    offset: int | None = None
    limit: int | None = None
    applied: list[str] = field(default_factory=list[str])
    """The preferences that were understood."""


def read(headers: Headers, method: str) -> Asked:
    """What a request's headers ask for.

    Raises:
        RefusedError: they ask for what is not there.
    """
    _check_profile(headers, method)
    asked = Asked(single=_single(headers.get("accept", "*/*")))
    preferences = [text.strip() for line in headers.getlist("prefer") for text in line.split(",") if text.strip()]
    invalid = [text for text in preferences if not _prefer(asked, text)]
    if invalid and "handling=strict" in preferences:
        raise RefusedError(
            400,
            "PGRST122",
            "Invalid preferences given with handling=strict",
            details=f"Invalid preferences: {', '.join(invalid)}",
        )
    if method in {"GET", "HEAD"} and (found := RANGE.fullmatch(headers.get("range", ""))):
        asked.offset = int(found[1])
        if found[2]:
            if int(found[2]) < int(found[1]):
                raise RefusedError(
                    416,
                    "PGRST103",
                    "Requested range not satisfiable",
                    details="The lower boundary must be lower than or equal to the upper boundary in the Range header.",
                )
            asked.limit = int(found[2]) - int(found[1]) + 1
    return asked


def _prefer(asked: Asked, text: str) -> bool:
    """Take one preference; False when it is not a valid one."""
    name, _, value = (part.strip() for part in text.partition("="))
    if value in NOT_PLAYED.get(name, ()) or name in UNKNOWN_TO_THIS:
        raise not_played(f"the preference {text}")
    if value not in PREFERENCES.get(name, ()):
        return False
    changes: dict[str, Any] = {
        "return": {"returning": value == "representation"},
        "resolution": {"resolution": value},
        "count": {"count": True},
    }.get(name, {})
    for attribute, wanted in changes.items():
        setattr(asked, attribute, wanted)
    asked.applied.append(f"{name}={value}")
    return True


def _single(accept: str) -> bool:
    types = [item.partition(";")[0].strip() for item in accept.split(",")]
    if any(kind in {OBJECT, f"{OBJECT}+json"} for kind in types):
        return True
    if any(kind in JSON_TYPES for kind in types):
        return False
    raise RefusedError(406, "PGRST107", f"None of these media types are available: {accept}")


def _check_profile(headers: Headers, method: str) -> None:
    name = "accept-profile" if method in {"GET", "HEAD"} else "content-profile"
    profile = headers.get(name, SCHEMA)
    if profile != SCHEMA:
        raise RefusedError(
            406, "PGRST106", f"Invalid schema: {profile}", hint=f"Only the following schemas are exposed: {SCHEMA}"
        )
