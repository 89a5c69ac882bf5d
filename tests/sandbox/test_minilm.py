"""The numpy MiniLM against sentence-transformers' own output, and what it does where that library truncates."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from sandbox.standins.openai.minilm import DIMENSIONS, WINDOW_TOKENS, MiniLM

REFERENCE = json.loads(Path(__file__).with_name("minilm_reference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


@pytest.fixture(scope="module")
def expected() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = [np.frombuffer(base64.b64decode(entry["float32_base64"]), "<f4") for entry in REFERENCE["vectors"]]
    return np.stack(rows)


def test_the_reference_says_where_it_comes_from() -> None:
    assert {"command", "date", "sentence-transformers", "torch"} <= REFERENCE["made"].keys()
    for entry in REFERENCE["vectors"]:
        first = np.frombuffer(base64.b64decode(entry["float32_base64"]), "<f4")[:4]
        assert first == pytest.approx(entry["first_values"], abs=1e-6)


def test_vectors_agree_with_sentence_transformers(model: MiniLM, expected: np.ndarray) -> None:
    texts = [entry["text"] for entry in REFERENCE["vectors"]]
    together = model.embed(texts)
    assert together.dtype == np.float32
    assert together.shape == (len(texts), DIMENSIONS)
    assert np.abs(together - expected).max() < 2e-6
    alone = np.concatenate([model.embed([text]) for text in texts])
    assert np.abs(alone - expected).max() < 2e-6


def test_the_order_of_the_texts_is_kept(model: MiniLM) -> None:
    texts = ["a long text " * 60, "short", "", "a long text " * 300, "middle sized, with a few more words in it"]
    together = model.embed(texts)
    for text, vector in zip(texts, together, strict=True):
        assert np.abs(model.embed([text])[0] - vector).max() < 2e-6


def test_every_vector_has_length_one_even_of_an_empty_text(model: MiniLM) -> None:
    assert np.linalg.norm(model.embed(["", "\x00\x01", "word", "😀" * 500]), axis=1) == pytest.approx([1] * 4, abs=1e-5)


def test_what_is_behind_the_window_still_counts(model: MiniLM) -> None:
    filler = "filler " * (WINDOW_TOKENS * 2)
    plain, with_end, about_end = model.embed([filler, filler + "volcano eruption lava " * 100, "volcano eruption lava"])
    assert float(with_end @ about_end) > float(plain @ about_end) + 0.05


def test_no_texts_give_no_vectors(model: MiniLM) -> None:
    assert model.embed([]).shape == (0, DIMENSIONS)


def test_meaning_orders_the_neighbours(model: MiniLM) -> None:
    query, near, far = model.embed(
        ["How do I reset my password?", "Forgotten login credentials", "Pasta with tomatoes"]
    )
    assert float(query @ near) > float(query @ far) + 0.2
