"""Splitting any text: the chunks are the text, each fits the model, and the same text is cut the same way."""

from __future__ import annotations

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from lambdas.embedding.chunks import ENCODING, LEAST_LIMIT, Tokenizer
from lambdas.embedding.documents import chunk_id
from lambdas.embedding.errors import RejectedMessageError
from lambdas.shared.blank import is_blank
from tests.fuzz.bounds import cpu_seconds, fuzzed
from tests.vocabulary import vocabulary

# What tokenizers are sensitive to: runs of one character, spaces of all kinds, digits, emoji made of several code
# points, special tokens written out, scripts without spaces, bytes that no token holds whole.
PIECES = st.sampled_from(
    [
        "word ",
        "  ",
        "\n\n",
        "\t",
        "\u00a0",
        "\u3000",
        "0123456789",
        "a",
        "aaaaaaaa",
        "=====",
        "ß",
        "漢字",
        "かな",
        "ไทย",
        "👩‍👩‍👧‍👦",
        "🏳️‍🌈",
        "\U0001f1e9\U0001f1ea",
        "\U000e0041",
        "\U0010fffd",
        "e\u0301",
        "<|endoftext|>",
        "<|im_start|>",
        "\ufeff",
        "\r\n",
        "don't",
        "CamelCaseAndMore",
        "\0",
    ]
)
TEXTS = st.one_of(
    st.text(min_size=1, max_size=300),
    st.lists(st.tuples(PIECES, st.integers(1, 40)), min_size=1, max_size=12).map(
        lambda parts: "".join(piece * times for piece, times in parts)
    ),
)
LIMITS = st.sampled_from([LEAST_LIMIT, LEAST_LIMIT + 1, 23, 64, 200])


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    folder = str(vocabulary())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", folder)
        return Tokenizer()


def shown(text: str) -> str:
    return "".join(character for character in text if not is_blank(character))


@fuzzed
@given(text=TEXTS, limit=LIMITS)
def test_chunks_joined_are_the_text_and_each_fits(tokenizer: Tokenizer, text: str, limit: int) -> None:
    try:
        with cpu_seconds(5):
            chunks = tokenizer.split(text, limit)
    except RejectedMessageError as error:
        # Only where single characters take more tokens than a chunk may have; cl100k needs four at most.
        raise AssertionError(f"refused although {LEAST_LIMIT} tokens hold any character: {error}") from None
    joined = "".join(chunk.text for chunk in chunks)
    assert joined == text or shown(joined) == shown(text)  # blank parts are no chunks
    encoding = tiktoken.get_encoding(ENCODING)
    for chunk in chunks:
        assert chunk.text
        assert chunk.tokens == len(encoding.encode_ordinary(chunk.text)) <= limit
    if len(encoding.encode_ordinary(text)) <= limit:
        assert len(chunks) == 1


@fuzzed
@given(text=TEXTS, limit=LIMITS)
def test_tokens_are_conserved_but_for_the_cuts(tokenizer: Tokenizer, text: str, limit: int) -> None:
    # A cut may change how its two sides are tokenized; that is a matter of single tokens, never of a part of the text.
    chunks = tokenizer.split(text, limit)
    whole = tokenizer.count(text)
    total = sum(chunk.tokens for chunk in chunks)
    assert total - whole <= 8 * len(chunks)
    if "".join(chunk.text for chunk in chunks) == text:
        assert abs(total - whole) <= 8 * (len(chunks) - 1)
    # Nor are there far more chunks, thus vectors and requests, than the text needs.
    assert len(chunks) <= 2 * -(-whole // limit) + 1


@fuzzed
@given(text=TEXTS, limit=LIMITS, document=st.text("ab#0123", min_size=1, max_size=8))
def test_the_same_text_has_the_same_chunks_under_the_same_ids(
    tokenizer: Tokenizer, text: str, limit: int, document: str
) -> None:
    first, second = tokenizer.split(text, limit), tokenizer.split(text, limit)
    assert first == second
    ids = [chunk_id(document, number, len(first)) for number in range(len(first))]
    assert len(set(ids)) == len(ids)
    assert all(one == document or one.startswith(f"{document}#") for one in ids)


@fuzzed
@given(text=TEXTS, more=TEXTS, limit=LIMITS)
def test_what_comes_later_in_a_text_does_not_move_its_first_chunks(
    tokenizer: Tokenizer, text: str, more: str, limit: int
) -> None:
    # A document that grows at its end keeps the vectors of its beginning, as far as both are tokenized alike.
    short, long = tokenizer.split(text, limit), tokenizer.split(text + more, limit)
    settled = [chunk for chunk in short[:-1] if chunk.tokens >= limit // 2][:-1]
    same = sum(1 for one, other in zip(settled, long, strict=False) if one == other)
    assert same >= len(settled) - 1
