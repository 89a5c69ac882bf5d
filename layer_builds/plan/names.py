"""Names: of packages, as indexes compare them, and of files, as archives may hold them."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"(?!\.{1,2}(?:/|\Z))[^\\\x00-\x1f\x7f:/]+(?:/(?!\.{1,2}(?:/|\Z))[^\\\x00-\x1f\x7f:/]+)*")


def normal_name(name: str) -> str:
    """The one spelling of a package's name: lower case, `-` between words.

    https://packaging.python.org/en/latest/specifications/name-normalization/. `packaging` has the same and more, which
    a preview would load for it.
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def is_plain_path(path: str) -> bool:
    """Whether a path is relative, in normal form and stays where it is put: no `..`, no `//`, no back-slash, no NUL."""
    return _PLAIN.fullmatch(path) is not None
