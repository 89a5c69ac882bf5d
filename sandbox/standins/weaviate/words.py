"""Words of texts, and what they are worth: tokenization, stopwords and BM25 as Weaviate's server has them."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ENGLISH: Final = frozenset(
    (
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "but",
        "by",
        "for",
        "if",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "such",
        "that",
        "the",
        "their",
        "then",
        "there",
        "these",
        "they",
        "this",
        "to",
        "was",
        "will",
        "with",
    )
)
STOPWORDS: Final[Mapping[str, frozenset[str]]] = {"en": ENGLISH, "none": frozenset()}
UNKNOWN_LENGTH: Final = 40.0
"""What the server takes for the mean where there is none."""


def _word(text: str) -> list[str]:
    return "".join(each if each.isalpha() or each.isnumeric() else " " for each in text).lower().split()


TOKENIZATIONS: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "word": _word,
    "lowercase": lambda text: text.lower().split(),
    "whitespace": lambda text: text.split(),
    "field": lambda text: [text.strip()],
}


def bm25(
    query: Sequence[str], texts: Mapping[str, Counter[str]], *, k1: float, b: float, among: frozenset[str] | None
) -> dict[str, float]:
    """Score texts.

    Args:
        query: its tokens; one that is there twice counts twice.
        texts: the tokens of each, by id: all that there are, since how rare a word is depends on them.
        k1: how soon more of the same word stops to count.
        b: how much long texts are held back, 0 to 1.
        among: the ids that may be found; None: all.

    Returns:
        The score of each text with at least one of the tokens.
    """
    lengths = {key: text.total() for key, text in texts.items()}
    mean = sum(lengths.values()) / len(lengths) if lengths else UNKNOWN_LENGTH
    scores: dict[str, float] = {}
    for token, times in Counter(query).items():
        found = {key: text[token] for key, text in texts.items() if token in text}
        rarity = math.log(1 + (len(texts) - len(found) + 0.5) / (len(found) + 0.5)) * times
        for key, count in found.items():
            if among is None or key in among:
                weight = count / (count + k1 * (1 - b + b * lengths[key] / (mean or UNKNOWN_LENGTH)))
                scores[key] = scores.get(key, 0.0) + weight * rarity
    return scores
