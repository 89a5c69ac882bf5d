"""Texts in any encoding, and files that are none: refused, told of once, and no retry made of them."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.embedding_processor import objects
from lambdas.embedding_processor.handler import RetryError
from tests.lambdas.embedding_processor.conftest import notification

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.embedding_processor.conftest import Function

GREETING = "Grüße aus Zürich: naïve Café, fünf Äpfel."
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]
)
def test_text_of_any_encoding_is_the_same_text(function: Function, encoding: str) -> None:
    function.deliver(function.put("a.txt", GREETING.encode(encoding)))
    (row,) = function.rows()
    assert row["content"] == GREETING


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (f"{GREETING} Ende".encode()[:-5] + b" \xc3", f"{GREETING} \ufffd"),
        (GREETING.encode() + b"\xff\xfe " + GREETING.encode(), f"{GREETING}\ufffd\ufffd {GREETING}"),
        (GREETING.encode() + b"\xed\xa0\x80.", f"{GREETING}\ufffd\ufffd\ufffd."),
    ],
    ids=["cut", "pasted", "surrogate"],
)
def test_a_few_wrong_bytes_do_not_make_all_of_a_text_another(function: Function, data: bytes, text: str) -> None:
    function.deliver(function.put("a.txt", data))
    assert function.rows()[0]["content"] == text


def test_line_ends_are_line_feeds(function: Function) -> None:
    function.deliver(function.put("a.txt", b"One line.\r\nAnother.\rA third."))
    assert function.rows()[0]["content"] == "One line.\nAnother.\nA third."


@pytest.mark.parametrize(
    "text", ["東京の天気は晴れです。明日は雨でしょう。", "שלום עולם", "🦕🦖 dinosaurs", "a\u0301" * 40]
)
def test_no_script_is_binary(function: Function, text: str) -> None:
    (answer,) = function.deliver(function.put("a.txt", text))
    assert answer["state"] == "embedded"
    assert function.rows()[0]["content"] == text


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PNG * 40, "binary"),
        (bytes(range(256)) * 4, "binary"),
        (b"\x01\x02\x03\x04" * 100, "binary"),
        (b"%PDF-1.7\n" + b"\x00\xff" * 200, "binary"),
        (b"\xff\xfe\x00\xd8", "binary"),
        (b"text " * 100 + b"\0", "binary"),
        (b"", "empty"),
        (b" \r\n\t ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        ("\u200b\u2060 \ufeff\n".encode(), "empty"),
        (gzip.compress(b"text " * 50, mtime=0), "binary"),
        (b"a" * 2_001, "too_large"),
    ],
)
def test_what_is_no_text_is_refused_at_once(
    make_function: Callable[..., Function], data: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    function = make_function(MAX_FILE_BYTES="2000")
    record = function.put("a.bin", data)
    (answer,) = function.deliver(record)
    assert (answer["status"], answer["reason"]) == ("refused", reason)
    assert function.rows() == []
    (failed,) = function.failed()
    assert failed["responsePayload"]["errorType"] == reason
    assert failed["requestPayload"]["Records"][0]["Sns"]["Message"] == json.dumps({"Records": [record]})
    metric = next(line for line in capsys.readouterr().out.splitlines() if "FilesRefused" in line)
    assert json.loads(metric)["reason"] == reason


@pytest.mark.parametrize(("encoding", "refused"), [("gzip", True), ("br", True), ("identity", False)])
def test_what_is_stored_compressed_is_refused_with_the_reason(function: Function, encoding: str, refused: bool) -> None:
    """A short text in brotli has neither zero bytes nor a mark: it would be embedded as what it is not."""
    function.s3.put_object(Bucket=function.bucket, Key="a.txt", Body=b"text", ContentEncoding=encoding)
    (answer,) = function.deliver(function.record("a.txt", "ObjectCreated:Put"))
    assert (answer["status"] == "refused") is refused
    assert len(function.rows()) == (0 if refused else 1)
    if refused:
        assert "its Content-Encoding is" in answer["detail"]


@pytest.mark.parametrize(
    ("header", "encoding"),
    [("", ""), ("aws-chunked", ""), ("aws-chunked,gzip", "gzip"), (" GZIP , br", "gzip, br"), ("identity,", "")],
)
def test_how_a_client_sent_an_object_is_no_encoding_of_it(header: str, encoding: str) -> None:
    assert objects._encoding(header) == encoding


def test_a_refused_file_leaves_no_row_of_what_was_there_and_its_neighbours_alone(function: Function) -> None:
    function.deliver(function.put("a.txt", "Some text."))
    answers = function.deliver(function.put("a.txt", PNG * 40), function.put("b.txt", "Its neighbour."))
    assert [answer["status"] for answer in answers] == ["refused", "ok"]
    assert [row["content"] for row in function.rows()] == ["Its neighbour."]


def test_a_refused_event_can_be_given_to_the_function_again(function: Function) -> None:
    """As `ops redrive` does, after somebody has put a text in its place."""
    function.deliver(function.put("a.txt", PNG * 40))
    (failed,) = function.failed()
    function.put("a.txt", "A text now.")
    (answer,) = function.invoke(failed["requestPayload"])["files"]
    assert answer["state"] == "embedded"


def test_a_refused_file_is_told_of_again_when_telling_failed(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = function.put("a.txt", PNG * 40)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", f"{function.failures}-gone")
    function.restart()
    with pytest.raises(RetryError, match=r"ClientError|QueueDoesNotExist"):
        function.deliver(record)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", function.failures)
    function.restart()
    function.deliver(record)
    assert len(function.failed()) == 1


def test_without_a_queue_a_refusal_is_raised(make_function: Callable[..., Function]) -> None:
    function = make_function(DEAD_LETTER_QUEUE_URL="")
    with pytest.raises(RetryError, match="DEAD_LETTER_QUEUE_URL is not set"):
        function.deliver(function.put("a.txt", PNG * 40))


def test_no_text_of_a_file_is_in_the_log(function: Function, capsys: pytest.CaptureFixture[str]) -> None:
    secret: Any = "the vault opens with seven turns"
    function.invoke(notification(function.put("a.txt", secret), function.put("b.txt", secret.encode() + b"\0")))
    assert secret not in capsys.readouterr().out
