"""Checks of single config values about repositories: each returns the value as it is used, or raises ValueError.

Owns the forms of GitHub's names, as `values.py` owns those of AWS's.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator


def repositories(value: list[str]) -> list[str]:
    """Accept names of repositories, owner/name."""
    if not value:
        raise ValueError("it must name at least one repository, as owner/name")
    if wrong := [name for name in value if not re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII)]:
        raise ValueError(f"{wrong[0]!r} is not a repository's name: write owner/name")
    return value


def plain_names(value: list[str]) -> list[str]:
    """Accept names without commas, which separate them in the function's environment."""
    if wrong := [name for name in value if not name.strip() or "," in name or name != name.strip()]:
        raise ValueError(f"{wrong[0]!r} has a comma or a space at its end, or is empty")
    return value


def document_paths(value: list[str]) -> list[str]:
    """Accept folders, and patterns of files at the root: any other path would admit no document."""
    for path in plain_names(value):
        folder, slash, rest = path.rpartition("/")
        parts = folder.split("/") if slash else []
        if (rest and slash) or any(not part or part.startswith(".") for part in parts):
            raise ValueError(
                f"{path!r} is neither a folder ending in `/`, such as docs/, nor a pattern for files at the root, such "
                "as README*: it would admit no document"
            )
    return value


def number_as_text(value: object) -> object:
    """Accept an app's number as `pulumi config set --path` writes it: without quotes."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def app_id(value: str) -> str:
    """Accept what GitHub calls an app in a token's `iss`."""
    if not re.fullmatch(r"[1-9][0-9]{0,17}|Iv[0-9A-Za-z.]{4,60}", value):
        raise ValueError("it must be the app's number or its client id (Iv…), both on the app's page at GitHub")
    return value


AppId = Annotated[str, BeforeValidator(number_as_text), AfterValidator(app_id)]
