"""Licences as people write them: in metadata's free text, in classifiers, in the names of files."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from layer_builds.ship.spdx import KINDS, kind_of, spdx_expression

if TYPE_CHECKING:
    from collections.abc import Mapping

# What people write into `License` and what classifiers are called → SPDX. Keys are as `_plain` leaves them.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "0bsd": "0BSD",
        "apache": "Apache-2.0",
        "apache 2": "Apache-2.0",
        "apache 2.0": "Apache-2.0",
        "apache2": "Apache-2.0",
        "asl 2.0": "Apache-2.0",
        "bsd 2 clause": "BSD-2-Clause",
        "simplified bsd": "BSD-2-Clause",
        "bsd 3 clause": "BSD-3-Clause",
        "3 clause bsd": "BSD-3-Clause",
        "modified bsd": "BSD-3-Clause",
        "new bsd": "BSD-3-Clause",
        "bsl 1.0": "BSL-1.0",
        "cc0 1.0": "CC0-1.0",
        "cddl 1.0": "CDDL-1.0",
        "epl 1.0": "EPL-1.0",
        "epl 2.0": "EPL-2.0",
        "eupl 1.1": "EUPL-1.1",
        "eupl 1.2": "EUPL-1.2",
        "expat": "MIT",
        "hpnd": "HPND",
        "isc": "ISC",
        "iscl": "ISC",
        "mit": "MIT",
        "mit 0": "MIT-0",
        "mozilla public 2.0": "MPL-2.0",
        "mpl 1.1": "MPL-1.1",
        "mpl 2.0": "MPL-2.0",
        "mpl2": "MPL-2.0",
        "psf": "PSF-2.0",
        "python foundation": "PSF-2.0",
        "unlicense": "Unlicense",
        "wtfpl": "WTFPL",
        "zlib": "Zlib",
        "zlib libpng": "Zlib",
        "zpl 2.1": "ZPL-2.1",
    }
)
# Too vague for an SPDX identifier, and still clear enough to sort.
_VAGUE: Mapping[str, str] = MappingProxyType(
    {
        "bsd": "permissive",
        "public domain": "permissive",
        "lgpl": "weak copyleft",
        "mpl": "weak copyleft",
        "gpl": "strong copyleft",
        "agpl": "network copyleft",
        "other proprietary": "restricted",
        "proprietary": "restricted",
        "commercial": "restricted",
    }
)
_GNU_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "affero general public": "agpl",
        "affero gpl": "agpl",
        "lesser general public": "lgpl",
        "library general public": "lgpl",
        "general public": "gpl",
        "gnu ": "",
    }
)
_GNU = re.compile(r"(a|l|)gpl ?v?(\d)(?:\.(\d))?( ?\+| or later)?(?: only)?")
_FILLER = re.compile(r"\b(the|a|licen[cs]ed?|under|software|terms|of|version|open source|osi approved)\b")


def named(text: str) -> tuple[str, bool, str] | None:
    """(name, whether it is SPDX, kind) of a licence's name as people write it."""
    # `GNU General Public License v3 or later (GPLv3+)`: what is in brackets often says it shortest.
    bracket = re.search(r"\(([^()]+)\)", text)
    candidates = [text, *([bracket[1]] if bracket else []), re.sub(r"\([^()]*\)", "", text).strip()]
    if text.upper() in {"", "UNKNOWN", "NONE"}:
        return None
    for candidate in candidates:
        spdx = spdx_expression(candidate) or _NAMES.get(_plain(candidate)) or _gnu(_plain(candidate))
        if spdx is not None:
            return spdx, True, kind_of(spdx)
    vague = next((_VAGUE[_plain(one)] for one in candidates if _plain(one) in _VAGUE), None) or _choice(text)
    return None if vague is None else (text, False, vague)


def _choice(text: str) -> str | None:
    """The kind of `Dual Licensed - GNU AFFERO GPL 3.0 or Some Commercial License`: of the one that asks less."""
    parts = re.split(r"(?i)\s+or\s+", re.sub(r"(?i)^dual[ -]licen[cs]ed\W*", "", text))
    if len(parts) == 1:
        return None
    found = [named(part) or _sold(part) for part in parts]
    kinds = [each[2] for each in found if each is not None]
    return min(kinds, key=KINDS.index) if len(kinds) == len(parts) else None


def _sold(text: str) -> tuple[str, bool, str] | None:
    """One that somebody sells, whatever its name."""
    return (text, False, "restricted") if re.search(r"(?i)\b(commercial|proprietary)\b", text) else None


def of_file(path: str) -> str | None:
    """The licence that a file is named after where REUSE has it, `LICENSES/<SPDX>.txt`: https://reuse.software/spec/."""
    found = re.fullmatch(r"LICENSES/([^/]+)\.txt", path)
    return spdx_expression(found[1]) if found else None


def classified(classifier: str) -> tuple[str, bool, str] | None:
    """The same of a trove classifier; None for one that is of no licence."""
    last = classifier.rpartition("::")[2].strip()
    if not classifier.startswith("License ::") or last in {"OSI Approved", "License"}:
        return None
    return named(last) or (last, False, "unknown")


def _plain(text: str) -> str:
    short = " ".join(_FILLER.sub(" ", re.sub(r"[^a-z0-9.+]+", " ", text.lower())).split())
    for long, abbreviated in _GNU_NAMES.items():
        short = short.replace(long, abbreviated)
    words = re.sub(r"\bv(?=\d)", "", short).split()
    # `The MIT License (MIT)` says it twice.
    return " ".join(word for index, word in enumerate(words) if index == 0 or word != words[index - 1])


def _gnu(plain: str) -> str | None:
    found = _GNU.fullmatch(plain)
    if found is None:
        return None
    later = "or-later" if found[4] else "only"
    return spdx_expression(f"{found[1].upper()}GPL-{found[2]}.{found[3] or 0}-{later}")
