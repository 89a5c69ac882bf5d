"""The templates: text files whose paths and contents hold the names of what is made from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).resolve().parent / "templates"
SUFFIX = ".tmpl"
"""So that no tool takes a template for what it makes."""
PLACE = "NAME"
"""In paths: the new thing's name."""


def rendered(text: str, values: Mapping[str, str]) -> str:
    """Put values in the places of `{{…}}`; a place without a value is an error of the template's."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)


def rendered_folder(folder: str, values: Mapping[str, str], place: str) -> dict[str, str]:
    """Return what a folder of templates makes.

    Args:
        folder: Below `templates/`.
        values: For the contents.
        place: What stands for NAME in paths.

    Returns:
        Path → text.
    """
    base = FOLDER / folder
    return {
        path.relative_to(base).as_posix().removesuffix(SUFFIX).replace(PLACE, place): rendered(
            path.read_text(encoding="utf-8"), values
        )
        for path in sorted(base.rglob(f"*{SUFFIX}"))
    }
