"""Cutting texts: nothing lost, nothing over the limit, the same every time."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiktoken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from lambdas.embedding.chunks import LEAST_LIMIT, MAX_CHUNK_BYTES, Tokenizer
from lambdas.shared.blank import is_blank
from lambdas.shared.openai_calls.contract import MAX_INPUT_TOKENS
from lambdas.shared.work_errors import ConfigurationError
from tests.vocabulary import vocabulary

LIMIT = MAX_INPUT_TOKENS
ONE_MIB = 1_048_576
UNITS = ["a", "漢字", "😀", " ", "\t", "\r\n", " \n", "\u3000", "1", "ä̈", "=", "ภาษาไทย", "the quick brown fox "]
pieces = st.sampled_from(
    [
        "word",
        " ",
        "  ",
        "\n\n",
        "\t",
        "é",
        "漢字",
        "👩‍👩‍👧",
        "😀",
        "1234",
        "!?",
        "camelCase",
        "ﷺ",
        "\u0301",
        "ß",
        "\x00",
    ]
)
texts = st.text(st.characters(codec="utf-8"), min_size=1) | st.lists(pieces, min_size=1, max_size=300).map("".join)


def visible(text: str) -> str:
    """What of a text shows something."""
    return "".join(character for character in text if not is_blank(character))


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer({"TIKTOKEN_CACHE_DIR": str(vocabulary())})


@pytest.fixture(scope="module", autouse=True)
def _cache_dir() -> None:
    # tiktoken reads the variable itself; in Lambda it is there before the process is.
    pytest.MonkeyPatch().setenv("TIKTOKEN_CACHE_DIR", str(vocabulary()))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, limit=st.integers(LEAST_LIMIT, 60))
def test_chunks_join_to_the_text_and_fit(tokenizer: Tokenizer, text: str, limit: int) -> None:
    chunks = tokenizer.split(text, limit)
    joined = "".join(chunk.text for chunk in chunks)
    assert joined == text or (tokenizer.count(text) > limit and visible(joined) == visible(text))
    assert all(chunk.tokens <= limit for chunk in chunks)
    assert not any(map(is_blank, (chunk.text for chunk in chunks))) or chunks[0].text == text
    assert [tokenizer.count(chunk.text) for chunk in chunks] == [chunk.tokens for chunk in chunks]
    assert chunks == tokenizer.split(text, limit)
    for chunk in chunks:
        chunk.text.encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(["alpha", "be", "gamma", "delta.", "\n"]), min_size=30, max_size=200))
def test_tokens_are_conserved_where_cuts_are_between_words(tokenizer: Tokenizer, words: list[str]) -> None:
    text = " ".join([*words, "end"])
    chunks = tokenizer.split(text, 40)
    # A cut before a space changes no token, so the parts have exactly the tokens of the whole; at worst a newline's
    # neighbours are joined differently.
    assert abs(sum(chunk.tokens for chunk in chunks) - tokenizer.count(text)) <= len(chunks) - 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, limit=st.integers(LEAST_LIMIT, 60))
def test_cuts_are_between_tokens_of_the_text(tokenizer: Tokenizer, text: str, limit: int) -> None:
    encoding = tokenizer._encoding
    ends: set[int] = set()
    length = 0
    for piece in encoding.decode_tokens_bytes(encoding.encode_ordinary(text)):
        length += len(piece)
        ends.add(length)
    position = 0
    for chunk in tokenizer.split(text, limit):
        start = text.encode().index(chunk.text.encode(), position)  # what is skipped is blank
        position = start + len(chunk.text.encode())
        assert {start, position} <= ends | {0}


def test_a_text_that_fits_is_one_chunk_and_untouched(tokenizer: Tokenizer) -> None:
    text = " a" * LIMIT
    assert [(chunk.text, chunk.tokens) for chunk in tokenizer.split(text, LIMIT)] == [(text, LIMIT)]


def test_words_are_left_whole(tokenizer: Tokenizer) -> None:
    chunks = tokenizer.split(" ".join(f"internationalization{number}" for number in range(3_000)), LIMIT)
    assert len(chunks) > 1
    assert all(chunk.text.startswith(" ") for chunk in chunks[1:])


@pytest.mark.parametrize("unit", UNITS, ids=ascii)
def test_the_largest_message_there_is_can_be_cut(tokenizer: Tokenizer, unit: str) -> None:
    # A word at the end: without one, whitespace is another thing to the tokenizer's regular expression.
    text = unit * ((ONE_MIB - 2) // len(unit.encode())) + "y"
    chunks = tokenizer.split(text, LIMIT)
    joined = "".join(chunk.text for chunk in chunks)
    assert joined == text or (unit.isspace() and joined.strip() == "y")
    assert max(chunk.tokens for chunk in chunks) <= LIMIT
    assert max(len(chunk.text.encode()) for chunk in chunks) <= MAX_CHUNK_BYTES


# --- fault 14


def test_a_blank_end_of_a_text_is_no_chunk(tokenizer: Tokenizer) -> None:
    chunks = tokenizer.split("hello" + " hello" * LIMIT + "\n", LIMIT)
    assert [chunk.text.strip()[:5] for chunk in chunks] == ["hello"] * len(chunks)
    assert len(chunks) == 2


@pytest.mark.parametrize("blank", ["\n", " \t", "\u3000", "\r\n", "\u200b", "\0"])
def test_a_blank_middle_of_a_text_is_no_chunk(tokenizer: Tokenizer, blank: str) -> None:
    chunks = tokenizer.split(f"first{blank * 200_000}last", LIMIT)
    assert not any(is_blank(chunk.text) for chunk in chunks)
    assert visible("".join(chunk.text for chunk in chunks)) == "firstlast"


def test_special_tokens_are_plain_text(tokenizer: Tokenizer) -> None:
    assert tokenizer.count("<|endoftext|>") > 1


def test_a_limit_that_leaves_no_room_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="at least 16"):
        tokenizer.split("text", 4)


@pytest.mark.parametrize("environment", [{}, {"TIKTOKEN_CACHE_DIR": "/nowhere"}])
def test_a_missing_vocabulary_is_said_and_not_downloaded(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="there is no cl100k_base vocabulary"):
        Tokenizer(environment)


def test_the_vocabulary_is_tiktokens_own(tokenizer: Tokenizer) -> None:
    assert Path(vocabulary() / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").stat().st_size == 1_681_126
    assert tiktoken.encoding_name_for_model("text-embedding-3-small") == tokenizer.name
    assert tokenizer._encoding._mergeable_ranks == openai_public.cl100k_base()["mergeable_ranks"]
