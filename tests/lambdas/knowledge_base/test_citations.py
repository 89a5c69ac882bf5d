"""Quotes are looked up in the page, whatever the page and the model do to spaces, hyphens and ligatures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.knowledge_base.retrieval.citations import (
    MOST_ANSWER,
    MOST_CITATIONS,
    MOST_QUOTE,
    NOT_FOUND,
    Citation,
    checked,
    find,
    plain,
)
from lambdas.knowledge_base.retrieval.prompts import Quoted, Reply, Source, Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = (
    "The \ufb01rst kettle heats water to 95 \u00b0C. It whis\u00adtles when the wa-\nter boils.\n\n"
    "The second kettle\nheats water to 80 \u00b0C \u2013 at night \u22125 \u00b0C is kept. "
    "\u201cNever leave it alone\u201d, says the manual. The first kettle heats water to 95 \u00b0C."
)


def quoted(quote: str, page: str = PAGE, near: int = 0) -> str | None:
    span = find(quote, page, near)
    return None if span is None else page[slice(*span)]


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        ("The first kettle heats water to 95 \u00b0C.", "The \ufb01rst kettle heats water to 95 \u00b0C."),
        ("the FIRST kettle", "The \ufb01rst kettle"),
        ("It whistles when the water boils.", "It whis\u00adtles when the wa-\nter boils."),
        ("the wa-\nter boils", "the wa-\nter boils"),
        ("second kettle heats water", "second kettle\nheats water"),
        ("heats water to 80 \u00b0C - at night", "heats water to 80 \u00b0C \u2013 at night"),
        ("-5 \u00b0C is kept", "\u22125 \u00b0C is kept"),
        ('"Never leave it alone", says', "Never leave it alone\u201d, says"),
        ("\u201eNever leave it alone\u201c, says the manual.", "Never leave it alone\u201d, says the manual"),
        ("\u2026 says the manual \u2026", "says the manual"),
    ],
)
def test_a_quote_is_found_and_shown_as_the_page_has_it(quote: str, shown: str) -> None:
    assert (quoted(quote) or "").removesuffix(".") == shown.removesuffix(".")


@pytest.mark.parametrize(
    "quote",
    [
        "The third kettle heats water",
        "The first kettle heats water to 96 \u00b0C",
        "",
        "   ",
        "95 \u00b0C",
        "it",
        "irst kettle heats water to 95",
        "The first kettle heats wat",
        "The first kettle \u2026 heats water",
        "5 \u00b0C is kept at noon",
    ],
)
def test_what_the_page_does_not_say_is_not_found(quote: str) -> None:
    assert quoted(quote) is None


def test_of_two_places_the_one_of_the_passage_is_taken() -> None:
    last = PAGE.rindex("The first kettle")
    assert find("kettle heats water to 95", PAGE, last) == (last + 10, last + 34)
    first = find("kettle heats water to 95", PAGE)
    assert first is not None
    assert first[0] < last
    assert find("It whistles when the water boils", PAGE, last) is not None


def test_scripts_without_spaces_are_found_within_their_lines() -> None:
    page = "\u3053\u306e\u30b1\u30c8\u30eb\u306f\u6c34\u3092\u6e6f\u304b\u3059\u3002\n\u97f3\u3082\u9cf4\u308b\u3002"
    assert quoted("\u6c34\u3092\u6e6f\u304b\u3059", page) == "\u6c34\u3092\u6e6f\u304b\u3059"
    assert quoted("\u97f3", page) is None


LETTERS = st.sampled_from(
    ["kettle", "wa-\nter", "\ufb01re", "caf\u00e9", "re\u00adad", "x", "80", "\u22125", "\u201cso\u201d"]
)


@given(st.lists(LETTERS, min_size=6, max_size=40), st.data())
def test_what_is_copied_is_found_whatever_the_spaces(words: list[str], data: st.DataObject) -> None:
    page = " ".join(words)
    start = data.draw(st.integers(0, len(words) - 3))
    copied = words[start : start + data.draw(st.integers(3, len(words)))]
    if len("".join(copied)) < 20:
        return
    quote = " \n ".join(copied).replace("-\n", "").replace("\ufb01", "fi")
    span = find(quote, page)
    assert span is not None
    shown = page[slice(*span)]
    assert find(shown, page) == span


def test_a_large_page_and_a_hostile_quote_take_no_time() -> None:
    page = "a " * 200_000
    begun = time.process_time()
    assert find("a" * 5_000 + "b", page) is None
    assert find("-" * 5_000, page) is None
    many = reply(*((f"Statement {number}.", [(1, "a " * 2_000)] * 100) for number in range(50)))
    assert checked(many, [source(1, page)], lambda each: each.text).dropped > 4_000
    assert time.process_time() - begun < 20


# --- whole answers ---


def source(number: int = 1, text: str = PAGE) -> Source:
    return Source(f"document-{number}", f"{number}.pdf", "run", number, 0, len(text), text)


def reply(*statements: tuple[str, Sequence[tuple[int, str]]]) -> Reply:
    return Reply(
        statements=[
            Statement(text=text, citations=[Quoted(source=number, quote=quote) for number, quote in quotes])
            for text, quotes in statements
        ]
    )


KETTLE = "The second kettle heats water to 80 \u00b0C"
BOILS = "It whistles when the water boils."


def test_statements_carry_numbers_of_their_citations_and_a_place_has_one() -> None:
    sources = [source(1), source(2)]
    answer = checked(
        reply(("It heats to 80.", [(2, KETTLE), (1, BOILS)]), ("It whistles.", [(1, BOILS)])),
        sources,
        lambda each: each.text,
    )
    assert answer.content == "It heats to 80. [1] [2] It whistles. [2]"
    assert [(citation.document_id, citation.page) for citation in answer.citations] == [
        ("document-2", 2),
        ("document-1", 1),
    ]
    for citation in answer.citations:
        assert PAGE[citation.start : citation.end] == citation.quote
    assert answer.dropped == 0


def test_a_quote_that_is_nowhere_is_dropped_and_a_statement_without_any_too() -> None:
    made_up = (1, "The third kettle sings.")
    answer = checked(
        reply(("A third.", [made_up]), ("It heats.", [made_up, (1, KETTLE)]), ("Nothing.", [])),
        [source()],
        lambda each: each.text,
    )
    assert answer.content == "It heats. [1]"
    assert len(answer.citations) == 1
    assert answer.dropped == 2


@pytest.mark.parametrize("number", [0, -1, 2, 99])
def test_a_source_that_was_not_shown_cannot_be_cited(number: int) -> None:
    answer = checked(reply(("It heats.", [(number, KETTLE)])), [source()], lambda each: each.text)
    assert (answer.content, answer.citations, answer.dropped) == (NOT_FOUND, (), 1)


def test_a_quote_of_another_page_is_dropped() -> None:
    other = source(2, "There is nothing about kettles on this page, only about the weather.")
    answer = checked(reply(("It heats.", [(2, KETTLE)])), [source(), other], lambda each: each.text)
    assert answer.citations == ()


def test_a_page_that_is_gone_is_not_cited() -> None:
    answer = checked(reply(("It heats.", [(1, KETTLE)])), [source()], lambda _: None)
    assert answer.content == NOT_FOUND


def test_each_page_is_read_once() -> None:
    read: list[int] = []

    def text(each: Source) -> str:
        read.append(each.page)
        return each.text

    checked(reply(("A.", [(1, KETTLE), (2, BOILS)]), ("B.", [(1, BOILS)])), [source(), source()], text)
    assert read == [1]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("It is hot [3].", "It is hot."),
        ("[1][2] Hot [4, 5]\u202e", "Hot"),
        ("[[1]2] nested [ 7 ]", "nested"),
        ("a\x00\x1b[31m b\u200b\n\tc", "a[31m b c"),
        ("<b>bold</b> [x](https://example.org)", "<b>bold</b> [x](https://example.org)"),
    ],
)
def test_the_models_words_are_plain_text_without_numbers_of_ours(said: str, shown: str) -> None:
    assert plain(said) == shown


def test_an_answer_has_bounds() -> None:
    page = " ".join(f"Sentence number {number} is here." for number in range(100))
    many = reply(*((f"S{number}.", [(1, f"Sentence number {number} is here")]) for number in range(100)))
    answer = checked(many, [source(1, page)], lambda each: each.text)
    assert len(answer.citations) == MOST_CITATIONS
    assert f"[{MOST_CITATIONS}]" in answer.content
    assert f"[{MOST_CITATIONS + 1}]" not in answer.content
    long = checked(reply(("x" * (MOST_ANSWER + 1), [(1, BOILS)])), [source()], lambda each: each.text)
    assert long.content == NOT_FOUND
    text = "word " * 1_000
    cut = checked(reply(("Words.", [(1, text)])), [source(1, text)], lambda each: each.text)
    assert MOST_QUOTE // 2 < len(cut.citations[0].quote) <= MOST_QUOTE
    assert cut.citations[0] == Citation("document-1", "1.pdf", 1, 0, cut.citations[0].end, text[: cut.citations[0].end])


def test_a_figure_that_no_quote_shows_is_named_behind_its_statement() -> None:
    reply = Reply(
        statements=[
            Statement(text="It heats to 96 \u00b0C.", citations=[Quoted(source=1, quote="kettle heats water to 95")]),
            Statement(
                text="1. In 2025 two of them heat to 80 \u00b0C.",
                citations=[
                    Quoted(source=1, quote="second kettle heats water to 80"),
                    Quoted(source=1, quote="Never leave it alone"),
                ],
            ),
        ]
    )
    source = Source("d", "kettles.pdf", "r", 3, 0, len(PAGE), PAGE)
    answer = checked(reply, [source], lambda _: PAGE, "And in the year 2025?")
    assert answer.content.splitlines() == [
        "It heats to 96 \u00b0C. [1] (not in the quote: 96)",
        "1. In 2025 two of them heat to 80 \u00b0C. [2] [3]",
    ]
    assert answer.unquoted == 1
    assert checked(reply, [source], lambda _: PAGE).content.endswith("[2] [3] (not in the quotes: 2025)")


def test_a_model_cannot_write_the_note_itself_and_is_not_told_it_later() -> None:
    assert plain("It heats to 96. [1] (not in the quote: 96) And so on.") == "It heats to 96. And so on."
    assert plain("a (not in the (not in the quote: 1) quote: 2) b [(not in the quotes: 3)1]") == "a b"
