"""Requirements from one text, as `make new-layer REQUIREMENTS="…"` is given: with spaces in them, or `@` a file."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from layer_builds.plan import LayerBuildError, requirements_text
from scripts.staging import StagingError

_INSIDE = {"and", "or", "not", "in"}
"""Words of a marker, which would pass for a name."""


def requirements_in(text: str) -> list[str]:
    """The requirements in a text: on lines of their own, or one after the other.

    Args:
        text: `pypdf >=6, <7 openai`, or `@requirements.txt`.

    Raises:
        StagingError: the file could not be read, or is not UTF-8.
    """
    if text.startswith("@"):
        try:
            return requirements_text(Path(text[1:])).splitlines()
        except LayerBuildError as error:
            raise StagingError(f"REQUIREMENTS: {error}") from None
    return [requirement for line in text.splitlines() for requirement in _split(line)]


def _split(line: str) -> list[str]:
    """A new requirement begins with a word that is one, where the words before it are one as well."""
    found: list[str] = []
    for word in line.split():
        if found and not (_is_one(word) and _is_one(found[-1]) and word not in _INSIDE):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def _is_one(text: str) -> bool:
    try:
        Requirement(text)
    except InvalidRequirement:
        return False
    return True
