"""Figures of a statement that its quotes do not show are named; figures that are only written otherwise are not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.knowledge_base.retrieval.figures import MOST_SHOWN, unquoted
from sandbox.demos.knowledge_base import samples


@pytest.mark.parametrize(
    ("statement", "quote", "missing"),
    [
        ("It costs 15 euros.", "It costs 12 euros", ["15"]),
        ("It costs 7 euros.", "It costs 5 euros", ["7"]),
        ("Zermatt has 5,800 inhabitants.", "Zermatt is a village in Valais", ["5,800"]),
        ("It opened on November 29, 2026.", "opened on 28.11.2026", ["29"]),
        ("It opened on 2027-11-28.", "opened on November 28, 2026", ["2027"]),
        ("It weighs 3.5 kg.", "weighs 35 kg", ["3.5"]),
        ("It costs 15,000 euros.", "costs 12000 euros", ["15,000"]),
        ("It has 2,000 pages since 2025.", "in 2025 it had two thousand pages", ["2,000"]),
        ("\u0664\u0662 ships came.", "41 ships came", ["\u0664\u0662"]),
        ("It takes 90 and 90 or 80 minutes.", "takes 70 minutes", ["90", "80"]),
    ],
)
def test_a_figure_that_no_quote_shows_is_named(statement: str, quote: str, missing: list[str]) -> None:
    assert unquoted(statement, [quote]) == missing


@pytest.mark.parametrize(
    ("statement", "quote"),
    [
        ("It costs 12 euros.", "costs twelve euros"),
        ("In 2025 it had 12 cranes.", "In 2025 it had twelve cranes"),
        ("It has 2,000 pages.", "two thousand pages"),
        ("It handled 4,200 ships.", "schlug 4.200 Schiffe um"),
        ("It handled 4200 ships.", "4\u202f200 navires"),
        ("It cost $1,299.", "kostete 1.299,00 Dollar"),
        ("It weighs 3.50 kg.", "wiegt 3,5 kg"),
        ("It has 1.5 million users.", "1,500,000 users"),
        ("It has 1,500,000 users.", "1.5 million users"),
        ("It opened on 2026-11-28.", "eröffnet am 28. November 2026"),
        ("It opened on 28/11/2026.", "opened on November 28, 2026"),
        ("It leaves at 9:00.", "leaves at 9 a.m."),
        ("It leaves at 21:27.", "departs from Vienna at 21:27"),
        ("\u0664\u0662 ships came, \u0663\u066b\u0665 a day.", "42 ships came, 3.5 a day"),
        ("It is 30 m\u00b2 large.", "30 m2"),
        ("It takes 3\u20135 days.", "between 3 and 5 days"),
        ("Section 3.2.1 says so.", "see 3.2.1"),
        ("In 2025 40 ships came.", "In 2025, 40 ships came"),
        ("In 2025, 40 ships came.", "In 2025 40 ships came"),
        ("In rooms 12 345 people fit.", "345 people fit in room 12"),
        ("It is white.", "It was painted in 1998"),
        ("", ""),
    ],
)
def test_a_figure_that_is_only_written_otherwise_is_not(statement: str, quote: str) -> None:
    assert unquoted(statement, [quote]) == []


def test_what_the_reader_asked_or_sees_beside_the_quote_needs_no_quote() -> None:
    assert unquoted("In 2025 it was 40 %.", ["it was 40 %"], ["How much was it in 2025?"]) == []
    assert unquoted("It had 12 cranes.", ["It had twelve cranes"], ["What did it have in 2025, with 40 people?"]) == []
    assert unquoted("It was 41 %.", ["it was 40 %"], ["How much was it in 2025?"]) == ["41"]


@pytest.mark.parametrize("text", [*samples.BEES.values(), samples.TRAINS + samples.TRAINS_END])
def test_a_sentence_of_a_document_is_carried_by_itself(text: str) -> None:
    assert unquoted(text, [text]) == []


@given(st.text(), st.text())
def test_any_text_can_be_compared_and_carries_itself(statement: str, quote: str) -> None:
    assert len(unquoted(statement, [quote])) <= MOST_SHOWN
    assert unquoted(statement, [statement]) == []


@pytest.mark.parametrize("text", ["1." * 4_000, "1 " * 4_000, "9" * 8_000, "1-" * 4_000, "1234 " * 1_600])
def test_hostile_figures_cost_little(text: str) -> None:
    begun = time.process_time()
    unquoted(text, [" ".join(str(number) for number in range(5_000, 10_000))])
    assert time.process_time() - begun < 5
