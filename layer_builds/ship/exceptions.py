"""`audit.toml`: advisories that somebody has looked at and accepts, each with a reason and a last day.

After that day the advisory counts again, so nothing is accepted for ever because it was once.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

from layer_builds.plan import LayerBuildError, normal_name

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Accepted:
    """One table of `[[accepted]]`."""

    advisory: str
    """By any of its names."""
    package: str
    reason: str
    """Why it cannot reach us."""
    until: date
    """The last day on which it is accepted."""


def load_exceptions(path: Path) -> tuple[Accepted, ...]:
    """Read the file; one that is not there accepts nothing.

    Raises:
        LayerBuildError: naming the table and the key that is wrong.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LayerBuildError(f"{path} is not TOML: {error}") from None
    tables: object = data.pop("accepted", [])
    if data or not isinstance(tables, list):
        raise LayerBuildError(f"{path}: write tables of [[accepted]], and nothing else")
    return tuple(_accepted(path, number, table) for number, table in enumerate(cast("list[object]", tables), start=1))


def _accepted(path: Path, number: int, table: object) -> Accepted:
    kinds: dict[str, type] = {one.name: date if one.name == "until" else str for one in fields(Accepted)}
    given = cast("dict[str, Any]", table) if isinstance(table, dict) else {}
    for key in sorted({*kinds, *given}):
        value = given.get(key)
        right = key in kinds and isinstance(value, kinds[key]) and not isinstance(value, datetime)
        if not right or not str(value).strip():
            raise LayerBuildError(
                f"{path}: `{key}` of accepted advisory {number} is {value!r}; each has an `advisory`, a `package` and "
                "a `reason` in words, and the last day it is accepted, `until = 2027-01-31`"
            )
    return Accepted(str(given["advisory"]), normal_name(str(given["package"])), str(given["reason"]), given["until"])
