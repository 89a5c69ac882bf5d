"""Directives of reStructuredText and MyST: which of them only say how a text looks.

Owns the list. What is not on it may read a file, run code or fetch something; new ones appear with every extension.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN: Final = (
    "attention caution danger error hint important note tip warning admonition seealso todo versionadded "
    "versionchanged versionremoved deprecated topic sidebar rubric epigraph highlights pull-quote compound "
    "container class contents sectnum toctree list-table table math code code-block sourcecode highlight "
    "parsed-literal replace unicode date title index glossary centered hlist productionlist footnotes only "
    "tabularcolumns figure image program option cmdoption envvar confval describe object currentmodule module "
    "function method attribute data exception classmethod staticmethod decorator property type tab tabs tab- "
    "set tab-item group-tab grid grid-item grid-item-card card dropdown details aside margin div span "
)
ALLOWED: Final = frozenset(_PLAIN.split())
DOMAINS: Final = ("py:", "c:", "cpp:", "js:", "rst:", "std:")
"""Sphinx's own, whose directives describe objects; `auto…` ones import them and have no domain."""
_IMAGES: Final = ("image", "figure")
_NAME: Final = r"\w[\w.+:-]{0,80}?"
_rst: Final = re.compile(
    rf"(?<!\.)\.\.[ \t]{{1,100}}(?:\|[^|\n]{{1,200}}\|[ \t]{{1,100}})?({_NAME})[ \t]?::(?=\s|$)([^\n]{{0,2000}})"
)
_substitution: Final = re.compile(rf"\|[ \t]{{1,100}}({_NAME})[ \t]?::(?=\s|$)([^\n]{{0,2000}})")
"""The name between the bars may go over several lines."""
_myst: Final = re.compile(r"(?:`{3}|~{3}|:{3})[ \t]{0,100}\{([^}\n]{0,200})\}([^\n]{0,2000})")
_role: Final = re.compile(r"\{(?:eval|raw[\w-]{0,40})\}`")
_exec: Final = re.compile(r"(?:`{3}|~{3})[^\n`]{0,200}\bexec(?:=|[ \t]|$)", re.MULTILINE)
_REMOTE: Final = re.compile(r"(?:https?:)?//[^\s?]{0,2000}\?", re.IGNORECASE)


def forbidden_directives(text: str, *, restructured: bool) -> Iterator[str]:
    """Each directive that is not on the list, as it is written.

    Args:
        text: a document; of Markdown, without its code.
        restructured: whether it is read as reStructuredText.
    """
    forms = (_rst, _substitution, _myst) if restructured else (_rst, _myst)
    for form in forms:
        for found in form.finditer(text):
            if not _is_allowed(found[1]):
                yield found.group()
    for form in (_role, _exec):
        yield from (found.group() for found in form.finditer(text))


def fetched_images(text: str) -> Iterator[str]:
    """Each image or figure that is fetched with data in its address."""
    for form in (_rst, _substitution, _myst):
        for found in form.finditer(text):
            if found[1].strip().lower() in _IMAGES and _REMOTE.search(found[2]):
                yield found.group()


def _is_allowed(name: str) -> bool:
    name = name.strip().lower()
    if name.startswith((".", "#")):  # Pandoc's attributes of a block of code
        return True
    return name in ALLOWED or name.startswith(DOMAINS)
