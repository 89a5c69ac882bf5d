"""A service's words, and what was sent: the words are repeated as long as they hold nothing of it."""

from __future__ import annotations

import time

import pytest

from lambdas.shared.quotes import LEFT_OUT, MAX_LENGTH, quotable

TEXT = "The patient, Ms. Example, called on 4 May.\nSie heißt Jäger-漢字かな交じり文."


@pytest.mark.parametrize(
    "words",
    [
        f"cannot embed {TEXT}",
        f"cannot embed {TEXT!r}",
        f"cannot embed {TEXT!a}",
        f"cannot embed {TEXT.upper()}",
        "near 'Example, called'",
        "near 'the-patient-ms'",
        "token <b>patient</b> <i>ms</i>",
    ],
)
def test_words_that_quote_the_text_are_left_out(words: str) -> None:
    assert quotable(words, ["another", TEXT]) == LEFT_OUT


@pytest.mark.parametrize("text", ["abc", "no", "x"])
def test_a_short_text_is_found_too(text: str) -> None:
    assert quotable(f"invalid value {text!r}", [text]) == LEFT_OUT


def test_other_words_are_repeated_up_to_a_length() -> None:
    assert quotable("maximum input length is 8192 tokens", [TEXT]) == "maximum input length is 8192 tokens"
    assert quotable("x" * 500, [TEXT]) == "x" * MAX_LENGTH
    assert quotable("<html><h1>Not\n  allowed</h1></html>", [TEXT]) == "Not allowed"
    assert quotable("", [TEXT]) == ""
    assert quotable("anything", ["", "…"]) == "anything"


def test_large_requests_are_compared_quickly() -> None:
    texts = [f"{number} {TEXT}" * 10 for number in range(2_000)]
    started = time.process_time()
    assert quotable("This server takes at most 32 inputs in one request.", texts)
    assert time.process_time() - started < 5
