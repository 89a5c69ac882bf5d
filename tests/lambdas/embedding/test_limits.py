"""How a batch is divided into requests, without making any."""

from __future__ import annotations

import json
import struct
from array import array
from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from lambdas.embedding.chunks import Chunk
from lambdas.embedding.documents import chunk_id
from lambdas.embedding.vectors import MAX_UPSERT_BYTES, MAX_UPSERT_VECTORS, StoredVector, fetches, upserts
from lambdas.shared.openai_calls.embedder import MAX_INPUTS, MAX_REQUEST_TOKENS, requests

float32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.integers(1, 8_191), max_size=200))
def test_requests_hold_every_text_once_and_keep_the_limits(counts: list[int]) -> None:
    chunks = [Chunk(f"text {number}", tokens) for number, tokens in enumerate(counts)]
    groups = list(requests(chunks))
    assert [chunk for group in groups for chunk in group] == chunks
    assert all(sum(chunk.tokens for chunk in group) <= MAX_REQUEST_TOKENS for group in groups)


def test_a_request_holds_at_most_2048_texts() -> None:
    groups = list(requests(Chunk(f"text {number}", 1) for number in range(5_000)))
    assert [len(group) for group in groups] == [MAX_INPUTS, MAX_INPUTS, 904]


@given(st.lists(st.integers(0, 40_000), max_size=150), st.sampled_from([384, 3_072]))
def test_upserts_hold_every_vector_once_and_keep_the_limits(sizes: list[int], dimensions: int) -> None:
    values = array("f", [-1.2345678e-05] * dimensions)
    vectors = [
        StoredVector(str(number), str(number), values, {"text": "x" * size}) for number, size in enumerate(sizes)
    ]
    groups = list(upserts(vectors))
    assert [vector for group in groups for vector in group] == vectors
    assert all(sum(vector.bytes() for vector in group) <= MAX_UPSERT_BYTES for group in groups)


def test_an_upsert_holds_at_most_1000_vectors() -> None:
    vectors = [StoredVector(str(number), str(number), array("f", [1.0]), {}) for number in range(2_500)]
    assert [len(group) for group in upserts(vectors)] == [MAX_UPSERT_VECTORS, MAX_UPSERT_VECTORS, 500]


@given(st.lists(float32, min_size=1, max_size=64), st.text(st.characters(codec="utf-8"), max_size=50))
def test_the_size_that_is_reckoned_with_is_never_too_small(values: list[float], text: str) -> None:
    vector = StoredVector("a" * 20, "a", array("f", values), {"text": text})
    sent = {"id": vector.id, "values": [float(f"{value:.9g}") for value in values], "metadata": vector.metadata}
    assert len(json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()) <= vector.bytes()


@given(float32)
def test_nine_digits_name_a_float32_exactly(value: float) -> None:
    assert struct.pack("f", float(f"{value:.9g}")) == struct.pack("f", value)


@given(st.lists(st.text("ab#0", min_size=1, max_size=512), unique=True, max_size=300))
def test_addresses_hold_every_id_once_and_stay_short(ids: list[str]) -> None:
    pages = list(fetches([*ids, "x" * 513]))
    assert [key for page in pages for key in page] == ids
    assert all(len(page) == 1 or len(urlencode({"ids": page}, doseq=True)) <= 4_000 for page in pages)


def test_a_document_of_one_chunk_keeps_its_id() -> None:
    assert chunk_id("doc", 0, 1) == "doc"
    assert [chunk_id("doc", number, 3) for number in range(3)] == ["doc#0", "doc#1", "doc#2"]
