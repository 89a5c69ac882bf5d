"""Vectors that no index can find: a model that overflows or is damaged is named, and no row is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding_processor import handler
from lambdas.embedding_processor.handler import RetryError

if TYPE_CHECKING:
    from tests.lambdas.embedding_processor.conftest import Function

NAME = "sentence-transformers/all-MiniLM-L6-v2"


def change(monkeypatch: pytest.MonkeyPatch, number: float, *, whole: bool = False) -> None:
    """From now on the last vector of a batch has this number in one place, or everywhere."""
    embedder = handler._embedder()
    real = embedder.embed

    def changed(*arguments: Any) -> Any:
        vectors = np.array(real(*arguments))
        vectors[-1, slice(None) if whole else 7] = number
        return vectors

    monkeypatch.setattr(embedder, "embed", changed)


@pytest.mark.parametrize("pooling", ["chunks", "document"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_fails_the_file_and_names_the_model(
    make_function: Any, monkeypatch: pytest.MonkeyPatch, number: float, pooling: str
) -> None:
    function: Function = make_function(POOLING=pooling)
    function.deliver(function.put("before.txt", "A text of before."))
    change(monkeypatch, number)
    said = f"ModelError: {NAME} made a vector with numbers that are not finite.*from weights of 32 bits"
    with pytest.raises(RetryError, match=said):
        function.deliver(function.put("a.txt", "A text. " * 900))
    assert [row["content"] for row in function.rows()] == ["A text of before."]
    assert function.staged() == 0


def test_a_vector_of_zeros_is_found_by_nobody_and_refused(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    function.deliver(function.put("before.txt", "A text of before."))
    change(monkeypatch, 0, whole=True)
    with pytest.raises(RetryError, match=f"ModelError: {NAME} made a vector of zeros"):
        function.deliver(function.put("a.txt", "A text."))
    assert len(function.rows()) == 1


def test_numbers_that_the_index_cannot_hold_are_a_matter_of_the_model(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half precision ends at 65,504; a model without normalisation could be beyond."""
    function.deliver(function.put("before.txt", "A text of before."))
    change(monkeypatch, 70_000)
    with pytest.raises(RetryError, match=r"ConfigurationError: Supabase answered 400 .*\(22003\).*halfvec"):
        function.deliver(function.put("a.txt", "A text."))
    assert len(function.rows()) == 1
