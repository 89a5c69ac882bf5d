"""Entries in files that are there already: the two tables of systems, and a stack's config. Comments and order stay."""

from __future__ import annotations

import re

from ops.errors import OpsError
from ops.stack_file import parse
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
        section: Indented as below `config:`.

    Raises:
        StagingError: the file is not a stack's config, or has the section.
    """
    try:
        edited = parse(text)
        edited.add(parse(f"config:\n{section}"))
        return edited.text()
    except OpsError as error:
        raise StagingError(f"{path} could not be edited ({error}): add this to its config by hand\n{section}") from None
