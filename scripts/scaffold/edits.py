"""A line in a file that is there: the two tables of systems, and a stack's config.

Edited as text, so that comments and order stay; read back, so that an edit which did more or less than it should is
refused with what to write by hand.
"""

from __future__ import annotations

import re
from typing import Any, cast

import yaml

from scripts.staging import StagingError


def with_entry(text: str, path: str, *, table: str, entry: str, import_line: str) -> str:
    """Add an entry to a table of a module, and what it imports.

    Args:
        text: The module's.
        path: For messages.
        table: The name that the dict is bound to, at the start of a line.
        entry: `"name": value,`.
        import_line: Put below the last import of `components`; ruff sorts it.

    Raises:
        StagingError: the module has no such table or import.
    """
    found = re.search(rf"(?m)^{table}\b[^\n]*= \{{\n(?:    .*\n)*?(?=\}})", text)
    imports = list(re.finditer(r"(?m)^from components[.\w]* import (\(\n(?:    .*\n)*\)|.+)\n", text))
    if found is None or not imports:
        raise StagingError(f"{path} has no table {table} as expected: add `{import_line}` and `{entry}` to it by hand")
    start, end = imports[-1].end(), found.end()
    return f"{text[:start]}{import_line}\n{text[start:end]}    {entry}\n{text[end:]}"


def with_section(text: str, path: str, section: str) -> str:
    """Add a section to the end of a stack's config.

    Args:
        text: The stack file's.
        path: For messages.
        section: Indented as the other sections are.

    Raises:
        StagingError: the file is no stack config that ends with its `config:`, or has the section.
    """
    added = f"{text.rstrip()}\n{section}"
    new = cast("dict[str, Any]", yaml.safe_load(f"config:\n{section}"))["config"]
    try:
        before, after = yaml.safe_load(text), yaml.safe_load(added)
    except yaml.YAMLError:
        before, after = None, None
    whole = cast("dict[str, Any]", before) if isinstance(before, dict) else {}
    known = whole.get("config")
    if not isinstance(known, dict) or known.keys() & new.keys() or after != {**whole, "config": {**known, **new}}:
        raise StagingError(
            f"{path} is not a stack's config that ends with `config:`: add this to it by hand\n{section}"
        )
    return added
