"""`requirements.in`: what people write, read so that nothing of it is lost on the way to a lock.

A line is a name, perhaps with extras, versions and a marker; a hash after it has to be that of the file which is
locked. Options, addresses and paths are refused, without being repeated: they often hold a password.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layer_builds.plan.errors import LayerBuildError
from layer_builds.plan.names import normal_name

if TYPE_CHECKING:
    from pathlib import Path

_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[A-Za-z0-9._,\s-]*\])?\s*([<>=!~;(].*)?")
_HASH = re.compile(r"\s--hash[= ](\S+)")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_REMEDY = (
    "a line is a plain requirement (`name>=1.2`). Give an index and its credentials in uv's own variables or netrc"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line."""

    text: str
    """As a resolver reads it."""
    name: str
    """Normalised."""
    hashes: frozenset[str] = frozenset()
    """SHA-256 of files that may be locked for it; empty allows every file."""


def read_requirements(path: Path) -> tuple[Requirement, ...]:
    """Read the file; sorted by text.

    Raises:
        LayerBuildError: it is missing, is not UTF-8, or has a line that is not a plain requirement.
    """
    return tuple(sorted(map_lines(requirements_text(path), str(path)), key=lambda one: one.text))


def requirements_text(path: Path) -> str:
    """What is in a file of requirements.

    Raises:
        LayerBuildError: it is missing, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LayerBuildError(f"{path} could not be read ({error.strerror})") from None
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if utf16 or text is None:
        kind = "UTF-16" if utf16 else "not UTF-8"
        raise LayerBuildError(
            f"{path} is {kind}, as some editors on Windows save it: save it as UTF-8 (in PowerShell, "
            f"`Set-Content -Encoding utf8`)"
        )
    return text


def map_lines(text: str, where: str) -> list[Requirement]:
    """The requirements in a text; `where` is for messages."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]
    return [_requirement(line, f"{where}: line {number}") for number, line in enumerate(lines, start=1) if line]


def _requirement(line: str, where: str) -> Requirement:
    hashes = _HASH.findall(line)
    for value in hashes:
        if not _SHA256.fullmatch(value):
            raise LayerBuildError(f"{where}: a hash is written `--hash=sha256:` with 64 hex digits, lower case")
    text = _HASH.sub("", line).strip()
    if text.startswith("-"):
        option = re.match(r"-{1,2}[A-Za-z-]*", text)
        raise LayerBuildError(
            f"{where} is an option ({option[0] if option else '-'}), and options are not read: {_REMEDY}"
        )
    if "://" in text or "@" in text or text.startswith((".", "/")):
        raise LayerBuildError(f"{where} is an address or a path, which is not locked by hash: {_REMEDY}")
    found = _REQUIREMENT.fullmatch(text)
    if found is None or " --" in text:
        raise LayerBuildError(f"{where}: {text[:100]!r} is not a requirement: {_REMEDY}")
    return Requirement(text, normal_name(found[1]), frozenset(value.removeprefix("sha256:") for value in hashes))
