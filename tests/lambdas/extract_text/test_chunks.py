"""Chunks: nothing lost, nothing too long, cut where a reader would cut."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.shared.blank import is_blank
from lambdas.shared.chunks import MAX_CHUNK_CHARACTERS, Chunk, chunks

if TYPE_CHECKING:
    from lambdas.shared.tokens import Tokenizer


WORDS = st.sampled_from(
    [
        "Night",
        "trains",
        "leave.",
        "Why?",
        "Über",
        "Größe,",
        "漢字かな。",
        "https://example.org/a/b/c?d=e",
        "🎈",
        "x" * 90,
    ]
)
SPACES = st.sampled_from([" ", " ", " ", "\n", "\n\n", "  ", "\n \n", "\t"])
TEXT = st.lists(st.tuples(WORDS, SPACES), max_size=150).map(
    lambda parts: "".join(word + space for word, space in parts)
)
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
PAGES = st.lists(TEXT | ANYTHING, max_size=6)
LIMITS = st.sampled_from([(32, 0), (32, 16), (64, 8), (512, 64)])


def numbered(texts: list[str]) -> list[tuple[int, str]]:
    return list(enumerate(texts, start=1))


def squeezed(text: str) -> str:
    """What of a text shows something."""
    return "".join(character for character in text if not is_blank(character))


@given(PAGES, LIMITS)
@example(["a" * 5_000], (32, 16))
@example(["漢" * 3_000], (32, 16))
@example([" " * 50_000 + "end"], (64, 8))
@example(["\u0301" * 400 + "🎈" * 200], (32, 0))
@example(["\u200b" * 5_000, "\x01\x02" * 900 + "end"], (32, 0))
def test_chunks_cover_every_page_and_none_is_too_long(
    tokenizer: Tokenizer, texts: list[str], limits: tuple[int, int]
) -> None:
    limit, overlap = limits
    found = chunks(numbered(texts), tokenizer, limit, overlap)
    for chunk in found:
        assert 0 < chunk.tokens <= limit
        assert chunk.tokens == tokenizer.count(chunk.text)
        assert chunk.text == chunk.text.strip() != ""
        assert len(chunk.text) <= MAX_CHUNK_CHARACTERS
    covered_all = squeezed("".join(texts))
    place = 0
    for chunk in found:  # each goes on where the ones before it ended, or before that: no gap
        piece = squeezed(chunk.text)
        begin = covered_all.rfind(piece, max(0, place - len(piece)), place + len(piece))
        assert 0 <= begin <= place
        place = max(place, begin + len(piece))
    assert place == len(covered_all)


@given(PAGES, LIMITS)
def test_every_page_with_text_is_named_by_chunks_that_hold_all_of_it(
    tokenizer: Tokenizer, texts: list[str], limits: tuple[int, int]
) -> None:
    found = chunks(numbered(texts), tokenizer, *limits)
    for number, text in numbered(texts):
        its = "".join(squeezed(chunk.text) for chunk in found if number in chunk.pages)
        assert set(squeezed(text)) <= set(its)
        assert bool(its) == bool(squeezed(text))


def prose(paragraphs: int, sentences: int = 6) -> str:
    sentence = "The {0}th keeper of paragraph {1} wrote down how many bees came home before the rain."
    return "\n\n".join(
        " ".join(sentence.format(number, paragraph) for number in range(sentences)) for paragraph in range(paragraphs)
    )


def test_a_short_document_is_one_chunk(tokenizer: Tokenizer) -> None:
    assert chunks([(1, "One page."), (2, "Another.")], tokenizer, 512, 64) == [
        Chunk("One page.\n\nAnother.", 5, (1, 2), 0),
    ]
    assert chunks([(1, ""), (2, " \n ")], tokenizer, 512, 64) == []
    assert chunks([], tokenizer, 512, 64) == []


def test_chunks_end_with_paragraphs_when_these_fit(tokenizer: Tokenizer) -> None:
    found = chunks([(1, prose(30))], tokenizer, 512, 64)
    assert len(found) > 4
    assert all(re.search(r"paragraph \d+ wrote .* rain\.\Z", chunk.text) for chunk in found)
    ends = [re.findall(r"The (\d)th keeper", chunk.text)[-1] for chunk in found]
    assert ends == ["5"] * len(found), "the last sentence of a paragraph"


def test_chunks_begin_and_end_with_sentences_when_paragraphs_do_not_fit(tokenizer: Tokenizer) -> None:
    found = chunks([(1, prose(1, sentences=200))], tokenizer, 128, 32)
    for chunk in found:
        assert chunk.text.startswith("The ")
        assert chunk.text.endswith("rain.")


def test_chunks_overlap_by_whole_sentences(tokenizer: Tokenizer) -> None:
    found = chunks([(1, prose(1, sentences=100))], tokenizer, 128, 32)
    for before, after in itertools.pairwise(found):
        common = max(n for n in range(len(after.text)) if before.text.endswith(after.text[:n]))
        assert 0 < tokenizer.count(after.text[:common]) <= 32
        assert after.text[:common].startswith("The ")


def test_without_overlap_no_text_is_in_two_chunks(tokenizer: Tokenizer) -> None:
    text = prose(10)
    found = chunks([(1, text)], tokenizer, 64, 0)
    assert squeezed("".join(chunk.text for chunk in found)) == squeezed(text)


def test_a_sentence_that_goes_on_over_the_page_stays_one(tokenizer: Tokenizer) -> None:
    found = chunks([(3, "It goes on over"), (4, "the page. It ends there.")], tokenizer, 64, 0)
    assert found == [Chunk("It goes on over\nthe page. It ends there.", found[0].tokens, (3, 4), 0)]


def test_a_chunk_says_where_its_text_begins(tokenizer: Tokenizer) -> None:
    text = f" \n {prose(12)}"
    for chunk in chunks([(1, text)], tokenizer, 64, 16):
        assert text[chunk.start : chunk.start + len(chunk.text)] == chunk.text


def test_chunks_are_filled(tokenizer: Tokenizer) -> None:
    found = chunks([(1, prose(200))], tokenizer, 512, 64)
    assert sum(chunk.tokens for chunk in found[:-1]) / len(found[:-1]) > 0.75 * 512


def test_japanese_ends_sentences_without_spaces(tokenizer: Tokenizer) -> None:
    found = chunks([(1, "これは文です。" * 100)], tokenizer, 64, 16)
    assert all(chunk.text.endswith("。") and chunk.text.startswith("これ") for chunk in found)
