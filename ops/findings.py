"""What doctor found, read from its JSON for the comment on a pull request. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.checked import load_json, mapping, read_bytes, sequence, text

if TYPE_CHECKING:
    from pathlib import Path

MOST_FINDINGS = 50
WELL = "ok"


@dataclass(frozen=True, slots=True)
class Notice:
    """A finding that is not well."""

    check: str
    found: str
    remedy: str


def read_findings(file: Path) -> tuple[Notice, ...]:
    """What is not well in the output of `ops doctor --json`."""
    document = mapping(load_json(read_bytes(file), file.name), file.name)
    found = [mapping(finding, "a finding") for finding in sequence(document.get("checks"), "checks")[:MOST_FINDINGS]]
    return tuple(
        Notice(
            text(finding.get("check"), "check"),
            text(finding.get("found"), "found"),
            text(finding.get("remedy"), "remedy"),
        )
        for finding in found
        if finding.get("state") != WELL
    )
