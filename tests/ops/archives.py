"""Zips for functions and layers."""

from __future__ import annotations

import io
import zipfile


def archive(text: str, name: str = "code_.py") -> bytes:
    """A zip of one file: a function's package, unless it has another name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr(name, text)
    return buffer.getvalue()
