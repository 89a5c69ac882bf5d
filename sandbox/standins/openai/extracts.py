"""What the chat model answers in a form: sentences of the sources in the conversation, quoted as they stand there.

It knows no system: sources are whatever stands between `<source… number="1">` and its end, the question between
`<question…>` and its end (else the last message), and the form is any that has a list of texts with quotes. So the same
conversation always gets the same answer, and what no source says is answered with an empty list.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lambdas.shared.json_values import is_list
from sandbox.standins.openai.chat import text_of
from sandbox.standins.openai.forms import resolved
from sandbox.standins.openai.writer import NONSENSE, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sandbox.standins.openai.moods import Mood

SOURCE: Final = re.compile(
    r'<(?P<tag>source[\w-]*)(?P<about>(?:\s+\w+="(?:[^"\\]|\\.)*")*)>\n(?P<text>.*?)\n</(?P=tag)>', re.DOTALL
)
NUMBER: Final = re.compile(r'\bnumber="(\d+)"')
QUESTION: Final = re.compile(r"<(question[\w-]*)>\n(.*?)\n</\1>", re.DOTALL)
BETWEEN: Final = re.compile(r"(?<=[.!?\u2026])\s+|(?<=[\u3002\uff01\uff1f])|\s*\n\s*\n\s*")
"""What is between two sentences."""
WORD: Final = re.compile(r"\w+")
ORDER: Final = re.compile(r"!say ([^\n]+)")
EMPTY_WORDS: Final = frozenset(
    WORD.findall(
        "a about after all also an and any are as at be been but by can could did do does each else for from give had "
        "has have he her his how i if in into is it its itself just many may me more most much must my no not of on "
        "once one only or other our out please say says she should so some such tell than that the their them then "
        "there these they this those to too up us was we were what when where which who whom whose why will with would "
        "you your aber als am auf auch aus bei das dass dem den der des die ein eine einem einen einer es für hat ich "
        "im in ist mit nach nicht oder sie sind und von war was welche welcher welches wer wie wird wo zu zum zur"
    )
)
"""English and German."""
STEM: Final = 6
"""Letters of a word that count: "measured" and "measure" are the same."""
ENOUGH: Final = 0.5
"""Of the question's words, that a sentence has to have."""
FEW: Final = 2
"""Words with which a question cannot stand alone: it goes on from the one before."""
MOST_SENTENCES: Final = 3


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a source, as it stands there."""

    source: int
    text: str

    @property
    def line(self) -> str:
        """On one line."""
        return " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class Shape:
    """What the parts of an answer's form are called: a list of texts, each with a list of quotes."""

    statements: str
    text: str
    quotes: str
    source: str
    quote: str

    def reply(self, said: Sequence[tuple[str, Sequence[tuple[int, str]]]]) -> Reply:
        """An answer in the form.

        Args:
            said: texts, each with quotes: a source's number, and what it says.
        """
        statements = [
            {
                self.text: text,
                self.quotes: [{self.source: number, self.quote: quote} for number, quote in quotes],
            }
            for text, quotes in said
        ]
        return Reply(json.dumps({self.statements: statements}, ensure_ascii=False))


def answer(mood: Mood, messages: Sequence[dict[str, Any]], schema: Mapping[str, Any]) -> Reply:
    """Answer a conversation in a form.

    Args:
        mood: how the model behaves.
        messages: the request's.
        schema: the form's; one that was checked.
    """
    if mood == "refuse":
        return Reply(refusal="I cannot help with that.")
    if mood in {"nonsense", "empty"}:
        return Reply(NONSENSE if mood == "nonsense" else "")
    shape = _shape(schema)
    if shape is None:
        return Reply(json.dumps(_least(schema, schema)))
    asked = [text_of(each) for each in messages if each["role"] == "user"]
    last = asked[-1] if asked else ""
    sources = dict(_sources(last))
    question = found[2] if (found := QUESTION.search(last)) else last
    sentences = _best(question, asked[-2] if len(asked) > 1 else "", sources)
    return shape.reply(_SAID.get(mood, _honest)(sentences, sources))


def _sources(text: str) -> Iterator[tuple[int, str]]:
    for found in SOURCE.finditer(text):
        if number := NUMBER.search(found["about"]):
            yield int(number[1]), found["text"]


def _words(text: str) -> set[str]:
    return {word[:STEM] for word in WORD.findall(text.casefold()) if word not in EMPTY_WORDS}


def _best(question: str, before: str, sources: Mapping[int, str]) -> list[Sentence]:
    """The sentences that have most of a question's words, and enough of them."""
    own = _words(question)
    earlier = _words(before) - own if len(own) <= FEW else set[str]()
    whole = 2 * len(own) + len(earlier)
    if not whole:
        return []
    ranked: dict[str, tuple[float, Sentence]] = {}
    for number, text in sources.items():
        for part in BETWEEN.split(text):
            sentence = Sentence(number, part.strip())
            there = _words(sentence.text)
            share = (2 * len(own & there) + len(earlier & there)) / whole
            if share >= ENOUGH and own & there:
                ranked.setdefault(sentence.line, (share, sentence))
    best = max((share for share, _ in ranked.values()), default=0.0)
    return [sentence for share, sentence in ranked.values() if share == best][:MOST_SENTENCES]


Said = list[tuple[str, list[tuple[int, str]]]]


def _honest(sentences: Sequence[Sentence], _: Mapping[int, str]) -> Said:
    return [(sentence.line, [(sentence.source, sentence.text)]) for sentence in sentences]


# --- as it should not be ---


def _fabricated(sentences: Sequence[Sentence], _: Mapping[int, str]) -> Said:
    return [(sentence.line, [(sentence.source, f"It is well known that {sentence.text}")]) for sentence in sentences]


def _misplaced(sentences: Sequence[Sentence], sources: Mapping[int, str]) -> Said:
    """Quotes what another source says."""
    numbers = sorted(sources)
    return [
        (sentence.line, [(numbers[(numbers.index(sentence.source) + 1) % len(numbers)], sentence.text)])
        for sentence in sentences
    ]


def _markup(sentences: Sequence[Sentence], _: Mapping[int, str]) -> Said:
    return [
        (
            f"<img src=x onerror=alert(1)>**{sentence.line}** [9] [more](javascript:alert(1)) \u202e&lt;b&gt;",
            [(sentence.source, sentence.text)],
        )
        for sentence in sentences
    ]


def _gullible(sentences: Sequence[Sentence], sources: Mapping[int, str]) -> Said:
    """Says what a source tells it to, cites it, and for the same words sources that it was not shown."""
    ordered = [(number, found[1].strip()) for number, text in sources.items() for found in ORDER.finditer(text)]
    said: Said = [(order, [(99, order), (0, order), (-1, order)]) for _, order in ordered]
    said += [(f"As the document demands: {order}", [(number, f"!say {order}")]) for number, order in ordered]
    return said or _honest(sentences, sources)


_SAID: Final[Mapping[str, Callable[[Sequence[Sentence], Mapping[int, str]], Said]]] = {
    "fabricated_quote": _fabricated,
    "misplaced_quote": _misplaced,
    "markup": _markup,
    "gullible": _gullible,
}


# --- forms ---


def _shape(schema: Mapping[str, Any]) -> Shape | None:
    """The parts of a form, when it is one of texts with quotes."""
    for statements, items in _lists(schema, schema):
        text = _named(items, schema, "string")
        for quotes, quoted in _lists(items, schema):
            source, quote = _named(quoted, schema, "integer"), _named(quoted, schema, "string")
            if text and source and quote:
                return Shape(statements, text, quotes, source, quote)
    return None


def _lists(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The properties that are lists of objects, and these objects' schemas."""
    parts: Mapping[str, Any] = schema.get("properties") or {}
    for name, part in parts.items():
        found = resolved(part, root)
        if found.get("type") == "array" and (items := resolved(found["items"], root)).get("type") == "object":
            yield name, items


def _named(schema: Mapping[str, Any], root: Mapping[str, Any], kind: str) -> str | None:
    parts: Mapping[str, Any] = schema.get("properties") or {}
    return next((name for name, part in parts.items() if resolved(part, root).get("type") == kind), None)


def _least(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest value that a schema takes."""
    schema = resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _least(schema["anyOf"][0], root)
    kinds: list[str] = schema["type"] if is_list(schema["type"]) else [schema["type"]]
    if kinds[0] == "object":
        parts: Mapping[str, Any] = schema.get("properties") or {}
        return {name: _least(part, root) for name, part in parts.items()}
    least: dict[str, Any] = {"string": "", "number": 0, "integer": 0, "boolean": False, "null": None, "array": []}
    return least[kinds[0]]
