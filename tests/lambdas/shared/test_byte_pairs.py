"""Tokens of any text: tiktoken's own, and in time that does not grow with the square of a word's length."""

from __future__ import annotations

import time

import pytest
import tiktoken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.shared import byte_pairs
from lambdas.shared.byte_pairs import LONG_RUN, LONG_WHITESPACE, BytePairs
from tests.vocabulary import vocabulary

OLD, NEW = "0.11.0", "0.14.0"
UNITS = ["a", "漢字", "😀", " ", "\t", "\r\n", " \n", "\u3000", "1", "ä̈", "=", "ภาษาไทย", "the quick brown fox "]
runs = st.sampled_from(["a", "漢", "😀", "=", "\n", " ", "\t", "ก", "ä̈", "_", "\x1c", "\r\n", "²", "x y", "1", "'s"])
long_texts = st.lists(st.tuples(runs, st.integers(1, 60)), min_size=1, max_size=12).map(
    lambda parts: "".join(unit * times for unit, times in parts)
)
whitespace = st.text(st.sampled_from(" \t\n\r\x0b\x0c\x1c\x85\xa0\u2003\u3000\u2028"), min_size=1, max_size=12)
words = st.sampled_from(["word", "1", "!", "!?", "é", "漢", "'s", "😀", "\x1c"])
mixed = st.lists(whitespace | words, min_size=1, max_size=20).map("".join)
texts = st.text(st.characters(codec="utf-8"), min_size=1)


@pytest.fixture(scope="module")
def encoding() -> tiktoken.Encoding:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(vocabulary()))
        return tiktoken.get_encoding("cl100k_base")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=long_texts | texts | mixed, long_piece=st.integers(2, 50))
def test_tokens_by_piece_are_tiktokens_own(encoding: tiktoken.Encoding, text: str, long_piece: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(byte_pairs, "LONG_PIECE", long_piece)
        assert BytePairs(encoding, OLD).tokens_by_piece(text) == encoding.encode_ordinary(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=long_texts, long_run=st.integers(2, 30))
def test_what_is_called_long_changes_no_token(encoding: tiktoken.Encoding, text: str, long_run: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(byte_pairs, "LONG_RUN", long_run)
        assert BytePairs(encoding, OLD).tokens(text) == encoding.encode_ordinary(text)


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_tokens_of_a_long_run_are_tiktokens_own(encoding: tiktoken.Encoding, unit: str) -> None:
    text = "before " + unit * (100_000 // len(unit.encode())) + " after"
    assert BytePairs(encoding, OLD).tokens(text) == encoding.encode_ordinary(text)


@pytest.mark.parametrize(
    ("version", "text", "hard"),
    [
        (OLD, "a" * LONG_RUN, True),
        (OLD, "a" * (LONG_RUN - 1), False),
        (OLD, "1" + "a" * LONG_RUN + "1", True),
        (OLD, "=\x1c" * LONG_RUN, True),
        (OLD, "a\u0301" * LONG_RUN, True),
        (OLD, "a\U00031350" * LONG_RUN, True),
        (OLD, " \n" * LONG_RUN, True),
        (OLD, "a1" * 5_000, False),
        (OLD, "a word " * 5_000, False),
        (NEW, "a" * 500_000, False),
        (NEW, " " * LONG_WHITESPACE, True),
    ],
    ids=range(11),
)
def test_only_what_is_slow_is_looked_at_closely(
    encoding: tiktoken.Encoding, version: str, text: str, *, hard: bool
) -> None:
    assert BytePairs(encoding, version).is_hard(text) is hard


@pytest.mark.parametrize(
    ("version", "unit"),
    [
        (OLD, "!" * (LONG_RUN - 1) + "a"),
        (OLD, "!" * (LONG_RUN - 1) + "\n" * (LONG_RUN - 1)),
        (OLD, "a" * (LONG_RUN - 1) + " "),
        (OLD, "!" * 500 + "a"),
        (OLD, " " * (LONG_RUN - 1) + "a"),
        (NEW, " " * (LONG_WHITESPACE - 1) + "a"),
    ],
    ids=range(6),
)
def test_looking_for_a_long_run_is_quick_where_runs_are_just_too_short(
    encoding: tiktoken.Encoding, version: str, unit: str
) -> None:
    """It began anew at each character of a run: 57 s for 262,000 bytes."""
    pairs = BytePairs(encoding, version)
    text = unit * (500_000 // len(unit))
    before = time.process_time()
    assert not pairs.is_hard(text)
    assert time.process_time() - before < 2
