"""One line of a stack's config file: `live_version` of a function. Everything else in the file stays as it was.

A YAML library would drop comments and rewrite quotes, and the pulumi CLI need not be on the machine where somebody
rolls back. So the line is edited as text, and the result is read back: unless it differs from before in exactly that
one value, the edit is refused with what to write by hand.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from ops.errors import OpsError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "live_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A config file's text before and after."""

    file: Path
    before: str
    after: str
    summary: str
    by_hand: str

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after

    def save(self) -> None:
        """Write the new text under the old name, at once or not at all; line endings stay as they were."""
        temporary = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            temporary.write_bytes(self.after.encode())
            temporary.chmod(self.file.stat().st_mode & 0o777)
            temporary.replace(self.file)
        finally:
            temporary.unlink(missing_ok=True)


def with_live_version(file: Path, function: str, version: str | None) -> Edit:
    """The edit that sets a function's `live_version`, or removes it (None)."""
    section = f"strata:{function}"
    by_hand = (
        f"remove `{KEY}` from `{section}` in {file.name}"
        if version is None
        else f"write `{KEY}: {version}` into `{section}` in {file.name}"
    )
    try:
        before = file.read_bytes().decode()
    except OSError as error:
        raise OpsError(f"{file} cannot be read ({error}); {by_hand} after moving the alias yourself") from None
    after = edited(before, section, version)
    expected = changed_data(parse(before), section, version)
    if after is None or parse(after) != expected:
        raise OpsError(
            f"{file.name} is not written in a way that can be edited line by line: {by_hand}, then run `pulumi up`"
        )
    summary = f"{section}.{KEY} removed" if version is None else f"{section}.{KEY} is {version}"
    return Edit(file=file, before=before, after=after, summary=summary, by_hand=by_hand)


def parse(text: str) -> Any:
    """The YAML's data, or None where it is none."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def changed_data(data: Any, section: str, version: str | None) -> Any:
    """The same data with that one value set or gone; None where there is no such section."""
    if not isinstance(data, dict) or not isinstance(data.get("config"), dict):
        return None
    values = data["config"].get(section)
    if not isinstance(values, dict):
        return None
    rest = {key: value for key, value in values.items() if key != KEY}
    new = rest if version is None else {**rest, KEY: int(version)}
    return {**data, "config": {**data["config"], section: new or None}}


def edited(text: str, section: str, version: str | None) -> str | None:
    """The text with the line set, added as the section's first, or removed; None where the section is not found."""
    lines = text.splitlines(keepends=True)
    heading = re.compile(rf"^(\s+)(['\"]?){re.escape(section)}\2:\s*(#.*)?$")
    start = next((index for index, line in enumerate(lines) if heading.match(line.rstrip("\r\n"))), None)
    if start is None:
        return None
    outer = indent(lines[start])
    ending = "\r\n" if lines[start].endswith("\r\n") else "\n"
    if not lines[start].endswith("\n"):
        lines[start] += ending
    inner, found = " " * (outer + 2), None
    for index in range(start + 1, len(lines)):
        line = lines[index]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if indent(line) <= outer:
            break
        if index == first_entry(lines, start):
            inner = " " * indent(line)
        if re.match(rf"^{inner}(['\"]?){KEY}\1\s*:", line):
            found = index
            break
    new = [] if version is None else [f"{inner}{KEY}: {version}{ending}"]
    if found is not None:
        lines[found : found + 1] = new
    else:
        lines[start + 1 : start + 1] = new
    return "".join(lines)


def first_entry(lines: list[str], start: int) -> int | None:
    """The first line below `start` that is neither blank nor a comment."""
    for index in range(start + 1, len(lines)):
        if lines[index].strip() and not lines[index].lstrip().startswith("#"):
            return index
    return None


def indent(line: str) -> int:
    """Leading spaces."""
    return len(line) - len(line.lstrip(" "))
