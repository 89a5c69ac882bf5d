"""What shows something, and what does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.blank import is_blank

INVISIBLE = ["", " \t\r\n", "\u3000\x85\u2028", "\ufeff", "\u200b\u200c\u200d\u2060", "\u202e\u2066", "\0\x01\x7f"]
FILLERS = ["\u3164\u115f\uffa0", "\u2800", "\u034f", "\U000e0001\U000e0020"]


@pytest.mark.parametrize("text", [*INVISIBLE, *FILLERS])
def test_what_shows_nothing_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(f"{text}a{text}")


@pytest.mark.parametrize("text", ["0", "👩\u200d👩", "ก", "\u0301", "\ufffd", "\ue000", chr(0xD800)])
def test_what_shows_something_is_not(text: str) -> None:
    assert not is_blank(text)


@given(st.text())
def test_white_space_is_blank_and_blanks_joined_are(text: str) -> None:
    assert is_blank(text) or text.strip()
    assert is_blank(text) == all(map(is_blank, text))
