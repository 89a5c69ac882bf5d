"""`live_version` of a function in a stack's config file: what keeps `pulumi up` from moving the alias again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.stack_file import parse

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
    """The same edit as an instruction."""

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after

    def save(self) -> None:
        """Replace the file in one step; its mode stays."""
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
        edited = parse(before)
        if version is None:
            edited.remove(section, KEY)
        else:
            edited.put(section, KEY, int(version))
        after = edited.text()
    except KeyError:
        raise OpsError(f"{file.name} has no section `{section}`: {by_hand}, then run `pulumi up`") from None
    except (OSError, UnicodeError, OpsError) as error:
        raise OpsError(f"{file.name} could not be edited ({error}): {by_hand}, then run `pulumi up`") from None
    summary = f"{section}.{KEY} removed" if version is None else f"{section}.{KEY} is {version}"
    return Edit(file=file, before=before, after=after, summary=summary, by_hand=by_hand)
