"""What a document's markup does when it is shown or built: tags, addresses, images, templates, MDX.

Owns how they are recognised. Everything here reads texts of strangers: repetitions are bounded, or nothing after them
can fail, so that no text makes reading it take for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coderipple.code_blocks import without_code
from coderipple.directives import fetched_images, forbidden_directives
from coderipple.hidden import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT: Final = "a script"
PAGE: Final = "an embedded page"
HANDLER: Final = "an event handler"
IMAGE: Final = "an image that is fetched with data in its address"
DIRECTIVE: Final = "a directive that reads files or runs code"
TEMPLATE: Final = "a template that is filled in when pages are built"
CODE: Final = "code, which .mdx files run"
TANGLED: Final = "more tags within tags than anybody writes"
_EMBEDS: Final = (
    "iframe object embed form meta link base style applet frame frameset portal input button select textarea"
)
EMBEDS: Final = frozenset(_EMBEDS.split())
MAX_ATTRIBUTES: Final = 50_000
"""That are looked at in a document, those of unfinished tags included."""
_WORDS: Final = frozenset({"on", "one", "ones", "once", "only", "online", "onto", "ongoing"})
"""What may stand before `=` and is no event."""
_tag: Final = re.compile(r"<\s{0,100}+/?([a-z][^\s/>]*+)", re.IGNORECASE)
_attribute: Final = re.compile(r"[\s/=]*+([^\s/>=]++)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?")
_remote: Final = re.compile(r"(?:\bhttps?:|(?<![\w:/])[/\\])[/\\][^\s?]{0,2000}\?", re.IGNORECASE)
_BREAKS: Final = r"[\t\n\r]{0,20}"
_schemes: Final = [
    re.compile(
        rf"[(\"'<=:\]]\s{{0,100}}{_BREAKS.join(scheme)}{_BREAKS}:|\b{_BREAKS.join(scheme)}:(?=[^\s*_`])", re.IGNORECASE
    )
    for scheme in ("javascript", "vbscript")
]
_data: Final = re.compile(r"data:(?:text/(?:html|xml)|application/xhtml|image/svg)", re.IGNORECASE)
_bracket: Final = re.compile(r"\\.|!\[|\[|\]\(\s{0,100}<?([^\s)>]{0,2000})|\n[ \t]*+\n", re.DOTALL)
_image_reference: Final = re.compile(r"!\[([^\[\]]{0,1000})\](?:\[([^\[\]]{0,1000})\])?(?!\()")
_definition: Final = re.compile(r"^[ \t>]{0,100}\[([^\[\]]{1,1000})\]:\s{0,100}<?(\S{1,2000})", re.MULTILINE)
_templates: Final = re.compile(
    r"\{%|--8<--|\{![^\n!]{1,500}!\}|\{\{[^{}]{0,500}(?:env|secret|config|include)[^{}]{0,500}\}\}", re.IGNORECASE
)
_any_template: Final = re.compile(r"\{\{[^\n]{0,200}")
_mdx: Final = re.compile(
    r"^[ \t>*+-]{0,100}(?:import|export)\b[^\n]*|(?<!\\)\{[^{}]{0,2000}\}?|</?(?:[A-Z]|[a-z][\w-]{0,100}\.|>)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Tag:
    """An HTML tag, or what a lenient reader may take for one."""

    name: str
    """Without a namespace, in lower case."""
    attributes: tuple[tuple[str, str], ...]
    source: str


class TangledError(ValueError):
    """There are too many tags within tags to look at them all."""


def active_parts(path: str, text: str) -> Iterator[tuple[str, str]]:
    """What is active in a document: its kind, and how it is written.

    Args:
        path: says what reads it.
        text: of the document.
    """
    suffix = path.lower().rpartition(".")[2]
    try:
        yield from _html(text)
    except TangledError:
        yield TANGLED, TANGLED
    yield from _addresses(text)
    yield from ((IMAGE, part) for part in (*_images(text), *fetched_images(text)))
    prose = without_code(text)
    restructured = suffix in ("rst", "txt")
    directives = forbidden_directives(text if restructured else prose, restructured=restructured)
    yield from ((DIRECTIVE, part) for part in directives)
    yield from ((TEMPLATE, found.group()) for found in _templates.finditer(text))
    yield from ((TEMPLATE, found.group()) for found in _any_template.finditer(prose))
    if suffix == "mdx":
        yield from ((CODE, found.group()) for found in _mdx.finditer(prose))


def tags(text: str) -> Iterator[Tag]:
    """Every tag, also those within an attribute or without an end: which of them count depends on the reader.

    Raises:
        TangledError: there are too many attributes in them.
    """
    left = MAX_ATTRIBUTES
    for start in _tag.finditer(text):
        if start[1].endswith(":"):  # an address in angle brackets
            continue
        attributes: list[tuple[str, str]] = []
        place = start.end()
        while found := _attribute.match(text, place):
            attributes.append((found[1].lower().strip("\"'"), decoded((found[2] or "").strip("\"'"))))
            place, left = found.end(), left - 1
            if left < 0:
                raise TangledError
        yield Tag(start[1].lower().rpartition(":")[2], tuple(attributes), text[start.start() : place])


def _html(text: str) -> Iterator[tuple[str, str]]:
    for tag in tags(text):
        if tag.name == "script":
            yield SCRIPT, tag.source
        if tag.name in EMBEDS:
            yield PAGE, tag.source
        for name, value in tag.attributes:
            if re.fullmatch(r"on[a-z]{1,40}", name) and name not in _WORDS:
                yield HANDLER, tag.source
            if _remote.search(value) and (tag.name != "a" or name == "style"):
                yield IMAGE, tag.source


def _addresses(text: str) -> Iterator[tuple[str, str]]:
    readable = decoded(text)
    for form in (*_schemes, _data):
        yield from ((SCRIPT, found.group()) for found in form.finditer(readable))


def _images(text: str) -> Iterator[str]:
    """Markdown's images whose address is another host's and has a query."""
    open_brackets: list[bool] = []
    images = 0
    for found in _bracket.finditer(text):
        part = found.group()
        if part in ("![", "["):
            open_brackets.append(part == "![")
            images += open_brackets[-1]
        elif part.startswith("]("):
            # Within an image's text brackets need not pair: any image that is still open may be the one that ends.
            if images and _carries_data(found[1]):
                yield part
            images -= open_brackets.pop() if open_brackets else 0
        elif part.startswith("\n"):
            open_brackets, images = [], 0
    named = {_label(found[2] or found[1]) for found in _image_reference.finditer(text)}
    for found in _definition.finditer(text):
        if _label(found[1]) in named and _carries_data(found[2]):
            yield found.group()


def _carries_data(address: str) -> bool:
    return _remote.match(re.sub(r"\\(?=[^\w\s])", "", decoded(address))) is not None


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()
