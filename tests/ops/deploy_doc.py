"""The commands of docs/deploy.md: fenced blocks whose info string is `bash run`, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    heading: str
    """The section that it is in: `5. Deploy`."""
    run: bool
    """Whether it is marked to be run; the others need AWS or GitHub itself."""
    text: str


def blocks(document: Path = DOCUMENT) -> list[Block]:
    """Every bash block of the document."""
    found: list[Block] = []
    heading = ""
    for part in re.finditer(
        r"^## ([^\n]+)$|^```bash( run)?\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL
    ):
        if part[1]:
            heading = part[1]
        else:
            found.append(Block(heading, part[2] is not None, part[3]))
    return found


def script(document: Path = DOCUMENT) -> str:
    """What is to be run, as one bash script. Its environment names STATE_BUCKET, SECRETS_KEY_ARN and the keys."""
    return "set -euo pipefail\n" + "\n".join(f"# {one.heading}\n{one.text}" for one in blocks(document) if one.run)
