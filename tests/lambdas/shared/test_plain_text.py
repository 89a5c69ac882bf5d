"""Which encoding a file is in when its bytes do not say so."""

from __future__ import annotations

import pytest

from lambdas.shared.plain_text import LOOKED_AT_BYTES, decode

WORDS = "Grüße aus Zürich: naïve Café, fünf Äpfel. "


@pytest.mark.parametrize("before", [0, LOOKED_AT_BYTES - 1, LOOKED_AT_BYTES, 3 * LOOKED_AT_BYTES + 1])
def test_wrong_bytes_anywhere_leave_utf8_what_it_is(before: int) -> None:
    text = "a" * before + WORDS
    for wrong in (b"\xff", b"\xc3 ", b"\xf0\x9f\x98"):
        assert decode(text.encode() + wrong + WORDS.encode()).count("ü") == 2 * WORDS.count("ü")
        assert decode(wrong + text.encode()).endswith(WORDS)


def test_what_is_in_windows_encoding_stays_so_however_long_it_is() -> None:
    for text in (WORDS, WORDS * 5_000, "a" * LOOKED_AT_BYTES + "é", "prix : 5 €, « très » œuvre"):
        assert decode(text.encode("cp1252")) == text


def test_a_character_on_the_border_of_two_looks_is_right() -> None:
    text = "a" + "ü" * LOOKED_AT_BYTES
    assert decode(text.encode() + b"\xff") == text + "\ufffd"
