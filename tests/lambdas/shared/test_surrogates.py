"""What JSON can hold and UTF-8 cannot, wherever it is in a text."""

from __future__ import annotations

import pytest

from lambdas.shared.surrogates import has_half_pair


@pytest.mark.parametrize("text", ["\ud800", "a\udbff", "\udc00b", "a \udfff b", "\ude00\ud83d"])
def test_half_of_a_pair_is_found(text: str) -> None:
    assert has_half_pair(text)


@pytest.mark.parametrize("text", ["", "a\0", "é 漢字", "😀", "\ud7ff\ue000\U0010ffff"])
def test_a_whole_text_has_none(text: str) -> None:
    assert not has_half_pair(text)
    assert text.encode().decode() == text
