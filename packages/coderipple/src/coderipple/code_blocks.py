"""What of a document is code, and so shown as it is instead of being read as markup. Pure."""

from __future__ import annotations

import re
from typing import Final

_fence: Final = re.compile(r"([ \t]*)(`{3,}|~{3,})([^\n]*)")
_inline: Final = re.compile(r"(?<![\\`])(`{1,3})(?!`)[^\n]{1,500}?(?<!`)\1(?!`)")


def without_code(text: str) -> str:
    """A text without its fenced blocks and code in lines; the fences' own lines stay.

    In doubt something is no code: a fence that is never closed, and what is indented less than its fence.
    """
    kept: list[str] = []
    inside: list[str] = []
    indent, fence = 0, ""
    for line in text.splitlines():
        found = _fence.fullmatch(line)
        if fence:
            ends = found is not None and found[2].startswith(fence) and not found[3].strip()
            if not ends and (not line.strip() or len(line) - len(line.lstrip()) >= indent):
                inside.append(line)
                continue
            kept += [line] if ends else [*inside, line]
            fence, inside = "", []
            continue
        if found and not (found[2][0] == "`" and "`" in found[3]):
            indent, fence = len(found[1]), found[2]
        kept.append(line)
    return _inline.sub("`code`", "\n".join([*kept, *inside]))
