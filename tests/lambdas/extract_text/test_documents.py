"""Documents that come, come again, change and go: result and index are always those of the current version."""

from __future__ import annotations

import codecs
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.embedding.messages import parse
from lambdas.extract_text import handler
from lambdas.extract_text.handler import RetryError
from lambdas.shared.pdf import reading
from tests.lambdas.extract_text.conftest import Function, Index
from tests.pdfs import table_pdf, text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

SENTENCE = "The keeper of hive {0} wrote down how many bees came home before the rain."
KEY = "Übersicht/Größe & Maß + 100%.pdf"


def prose(sentences: int, topic: str = "") -> str:
    return "\n".join(f"{SENTENCE.format(number)} {topic}" for number in range(sentences))


def long_pdf(pages: int, topic: str = "bees") -> bytes:
    return text_pdf([f"Page {page} is about {topic}.\n{prose(40, topic)}" for page in range(1, pages + 1)])


def test_a_pdf_ends_as_a_result_and_as_messages_for_its_chunks(function: Function) -> None:
    record = function.put(KEY, long_pdf(5))
    (answer,) = function.deliver(record)
    result = function.result(KEY)
    assert result is not None
    assert result.keys() == {"schema", "source", "pages", "chunks", "totals", "record"}
    assert result["schema"] == 1
    version = record["s3"]["object"]["versionId"]
    source = {
        "bucket": function.bucket,
        "key": KEY,
        "version_id": version,
        "etag": record["s3"]["object"]["eTag"],
        "bytes": record["s3"]["object"]["size"],
    }
    assert result["source"] == source
    assert [page["number"] for page in result["pages"]] == [1, 2, 3, 4, 5]
    assert result["pages"][2].keys() == {"number", "text", "tables", "tokens", "images", "needs_ocr"}
    assert result["pages"][2]["text"].startswith("Page 3 is about bees.")
    assert (result["pages"][2]["tables"], result["pages"][2]["needs_ocr"]) == ([], False)
    assert result["totals"] == {
        "pages": 5,
        "tokens": sum(page["tokens"] for page in result["pages"]),
        "chunks": len(result["chunks"]),
    }
    assert answer == {
        "status": "ok",
        "source": source,
        "result": {"bucket": function.results, "key": f"extracted/{KEY}.json"},
        **result["totals"],
        "queued": len(result["chunks"]),
    }
    assert [chunk["index"] for chunk in result["chunks"]] == list(range(len(result["chunks"])))
    assert {page for chunk in result["chunks"] for page in chunk["pages"]} == {1, 2, 3, 4, 5}

    messages = sorted(function.sent(), key=lambda message: message["metadata"]["chunk"])
    assert [message["text"] for message in messages] == [chunk["text"] for chunk in result["chunks"]]
    for message, chunk in zip(messages, result["chunks"], strict=True):
        assert message["metadata"] == {
            "bucket": function.bucket,
            "key": KEY,
            "pages": [str(page) for page in chunk["pages"]],
            "chunk": chunk["index"],
        }
    assert len({message["id"] for message in messages}) == len(messages)
    assert function.failed() == []


def test_the_embedding_function_takes_the_messages(function: Function) -> None:
    import json

    function.deliver(function.put("k/" + "漢" * 250 + "#7.pdf", long_pdf(1)))
    for message in function.sent():
        parsed = parse(json.dumps(message))
        assert (parsed.id, parsed.text, parsed.metadata) == (message["id"], message["text"], message["metadata"])
        assert re.fullmatch(r"[0-9a-f]{32}-[0-9a-f]{16}-\d+", parsed.id)


def test_tables_are_read_with_their_words_whole(function: Function) -> None:
    rows = [["Hive", "Honey in kg", "Remark"], ["Lime Tree", "12", ""], ["Clover Field", "7", "two queens"]]
    function.deliver(function.put("t.pdf", table_pdf(rows)))
    result = function.result("t.pdf")
    assert result is not None
    assert result["pages"][0]["tables"] == [rows]


@pytest.mark.parametrize(
    "data",
    [
        "Grüße aus dem Gebirge.\n\nZweiter Absatz.".encode(),
        "Grüße aus dem Gebirge.\r\n\r\nZweiter Absatz.".encode("utf-16"),
    ],
)
def test_text_files_are_taken_as_they_are(function: Function, data: bytes) -> None:
    for key in ("notes.txt", "NOTES.MD"):
        (answer,) = function.deliver(function.put(key, data))
        assert (answer["status"], answer["pages"], answer["chunks"]) == ("ok", 1, 1)
        result = function.result(key)
        assert result is not None
        assert result["pages"][0]["text"] == "Grüße aus dem Gebirge.\n\nZweiter Absatz."


@pytest.mark.parametrize("name", ["notes.md", "notes.txt"])
@pytest.mark.parametrize(
    "text",
    [
        "# How PDFs begin\n\nThe first line is `%PDF-1.7`, and then a comment.",
        "%PDF-1.7 is how a PDF begins.",
        "\ufeff%PDF-1.7\n1 0 obj\n<<>>\nendobj\nand so on",
        "%PDF-",
    ],
)
def test_a_text_about_pdfs_is_a_text(function: Function, name: str, text: str) -> None:
    (answer,) = function.deliver(function.put(name, text.encode()))
    assert (answer["status"], answer.get("pages")) == ("ok", 1), answer
    result = function.result(name)
    assert result is not None
    assert result["pages"][0]["text"].strip() == text.removeprefix("\ufeff")
    assert function.failed() == []


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_pdf_under_a_texts_name_is_a_pdf(function: Function, mark: bytes) -> None:
    data = mark + text_pdf(["A page about bees.", "Another."])
    (answer,) = function.deliver(function.put("bees.txt", data))
    assert (answer["status"], answer.get("pages")) == ("ok", 2), answer


def test_a_pdf_under_a_texts_name_that_cannot_be_read_says_why(function: Function) -> None:
    whole, secret = text_pdf(["A page about bees."]), text_pdf(["A page."], password="open sesame")
    for data, code in ((whole[:60] + bytes(range(200)), "damaged"), (secret, "encrypted")):
        (answer,) = function.deliver(function.put("bees.md", data))
        assert answer["error"]["code"] == code


def test_the_same_event_again_changes_nothing(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    record = function.put("a.pdf", long_pdf(2))
    first = function.deliver(record)
    function.sent()
    monkeypatch.setattr(reading, "read_pages", lambda *_, **__: pytest.fail("read again"))
    assert function.deliver(record) == first
    assert function.ask("a.pdf") == first[0]
    assert function.sent() == []


def test_a_new_version_leaves_nothing_of_the_old_one(function: Function) -> None:
    index = Index()
    function.deliver(function.put("a.pdf", long_pdf(6, "bees")))
    index.take(function.sent())
    before = dict(index.texts)
    function.deliver(function.put("a.pdf", long_pdf(2, "trains")))
    index.take(function.sent())
    result = function.result("a.pdf")
    assert result is not None
    assert sorted(index.texts.values()) == sorted(chunk["text"] for chunk in result["chunks"])
    assert not before.keys() & index.texts.keys()


@pytest.mark.parametrize("versioned", [True, False])
def test_a_removed_document_leaves_no_result_and_no_vector(
    make_function: Callable[..., Function], versioned: bool
) -> None:
    function, index = make_function(versioned=versioned), Index()
    function.deliver(function.put("a.pdf", long_pdf(3)))
    index.take(function.sent())
    assert index.texts
    removed = function.remove("a.pdf")
    assert function.deliver(removed) == [{"status": "gone", "key": "a.pdf"}]
    index.take(function.sent())
    assert index.texts == {}
    assert function.result("a.pdf") is None
    function.deliver(removed)
    assert function.sent() == []


@pytest.mark.parametrize("versioned", [True, False])
def test_a_document_that_is_put_again_unchanged_is_right_in_the_end(
    make_function: Callable[..., Function], versioned: bool
) -> None:
    function, index = make_function(versioned=versioned), Index()
    for data in (long_pdf(2, "bees"), long_pdf(3, "trains"), long_pdf(2, "bees")):
        function.deliver(function.put("a.pdf", data))
        index.take(function.sent())
        result = function.result("a.pdf")
        assert result is not None
        assert sorted(index.texts.values()) == sorted(chunk["text"] for chunk in result["chunks"])


def test_events_out_of_order_end_with_the_newest_version(function: Function) -> None:
    index = Index()
    old = function.put("a.pdf", long_pdf(4, "bees"))
    new = function.put("a.pdf", long_pdf(2, "trains"))
    function.deliver(new)
    index.take(function.sent())
    function.deliver(old)
    assert function.sent() == []
    result = function.result("a.pdf")
    assert result is not None
    assert result["source"]["version_id"] == new["s3"]["object"]["versionId"]
    assert all("trains" in text for text in index.texts.values())


def test_a_removal_that_comes_after_a_new_upload_removes_nothing(function: Function) -> None:
    function.deliver(function.put("a.pdf", long_pdf(1, "bees")))
    removed = function.remove("a.pdf")
    function.deliver(function.put("a.pdf", long_pdf(1, "trains")))
    function.sent()
    function.deliver(removed)
    assert function.sent() == []
    assert function.result("a.pdf") is not None


def test_removing_the_current_version_brings_the_one_before_back(function: Function) -> None:
    index = Index()
    function.deliver(function.put("a.pdf", long_pdf(1, "bees")))
    index.take(function.sent())
    newer = function.put("a.pdf", long_pdf(1, "trains"))
    function.deliver(newer)
    index.take(function.sent())
    function.deliver(function.remove("a.pdf", newer["s3"]["object"]["versionId"]))
    index.take(function.sent())
    assert index.texts
    assert all("bees" in text for text in index.texts.values())


def test_a_direct_call_with_an_old_version_answers_and_changes_nothing(function: Function) -> None:
    old = function.put("a.pdf", long_pdf(4, "bees"))["s3"]["object"]["versionId"]
    function.deliver(function.put("a.pdf", long_pdf(2, "trains")))
    function.sent()
    before = function.result("a.pdf")
    answer = function.ask("a.pdf", old)
    assert (answer["status"], answer["pages"], answer["result"], answer["queued"]) == ("ok", 4, None, 0)
    assert answer["chunks"] > 0
    assert answer["source"]["version_id"] == old
    assert function.result("a.pdf") == before
    assert function.sent() == []


def test_a_direct_call_with_the_current_version_does_all_the_work(function: Function) -> None:
    version = function.put("a.pdf", long_pdf(2))["s3"]["object"]["versionId"]
    answer = function.ask("a.pdf", version)
    assert answer["result"] == {"bucket": function.results, "key": "extracted/a.pdf.json"}
    assert answer["queued"] == answer["chunks"] == len(function.sent())


def test_without_a_queue_chunks_are_in_the_result_only_and_sent_once_there_is_one(
    make_function: Callable[..., Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    function = make_function(EMBEDDING_QUEUE_URL="")
    record = function.put("a.pdf", long_pdf(1))
    (answer,) = function.deliver(record)
    assert (answer["queued"], answer["chunks"] > 0) == (0, True)
    monkeypatch.setenv("EMBEDDING_QUEUE_URL", function.queue)
    function.restart()
    (answer,) = function.deliver(record)
    assert answer["queued"] == answer["chunks"] == len(function.sent())


def test_other_chunk_sizes_make_other_chunks_of_the_same_version(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, record = Index(), function.put("a.pdf", long_pdf(2))
    function.deliver(record)
    index.take(function.sent())
    monkeypatch.setenv("CHUNK_TOKENS", "128")
    monkeypatch.setenv("CHUNK_OVERLAP_TOKENS", "0")
    function.restart()
    function.deliver(record)
    index.take(function.sent())
    result = function.result("a.pdf")
    assert result is not None
    assert sorted(index.texts.values()) == sorted(chunk["text"] for chunk in result["chunks"])


def test_a_document_replaced_while_it_is_read_is_read_again(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, real, puts = Index(), reading.read_pages, [long_pdf(1, "trains")]

    def read_pages(*args: Any, **kwargs: Any) -> Any:
        pages = real(*args, **kwargs)
        if puts:
            function.put("a.pdf", puts.pop())
        return pages

    monkeypatch.setattr(reading, "read_pages", read_pages)
    function.deliver(function.put("a.pdf", long_pdf(1, "bees")))
    index.take(function.sent())
    assert index.texts
    assert all("trains" in text for text in index.texts.values())


def test_the_slower_of_two_invocations_leaves_no_chunk_behind(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index()
    old = function.put("a.pdf", long_pdf(3, "bees"))
    documents = handler._documents()
    write, newer = documents._store.write, threading.Event()

    def slow_write(key: str, document: dict[str, Any], over: Any) -> None:
        if not newer.is_set():  # a new version is put and wholly done before the old one's result is written
            newer.set()
            function.deliver(function.put("a.pdf", long_pdf(1, "trains")))
        write(key, document, over)

    monkeypatch.setattr(documents._store, "write", slow_write)
    with pytest.raises(RetryError, match="written by another invocation"):
        function.deliver(old)
    index.take(function.sent())
    assert any("bees" in text for text in index.texts.values()), "SQS has taken both by now"
    function.deliver(old)  # Lambda's retry
    index.take(function.sent())
    assert index.texts
    assert all("trains" in text for text in index.texts.values())
    result = function.result("a.pdf")
    assert result is not None
    assert result["record"]["superseded"] == []


def test_two_invocations_with_the_same_version_do_no_harm(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    index, record = Index(), function.put("a.pdf", long_pdf(1))
    documents = handler._documents()
    write, twice = documents._store.write, threading.Event()

    def slow_write(key: str, document: dict[str, Any], over: Any) -> None:
        if not twice.is_set():
            twice.set()
            function.deliver(record)
        write(key, document, over)

    monkeypatch.setattr(documents._store, "write", slow_write)
    (answer,) = function.deliver(record)
    assert answer["status"] == "ok"
    index.take(function.sent())
    assert len(index.texts) == answer["chunks"]


def test_deletions_wait_until_what_was_queued_before_is_embedded(make_function: Callable[..., Function]) -> None:
    function = make_function(SETTLE_SECONDS="900")
    function.deliver(function.put("a.pdf", long_pdf(1)))
    count = len(function.sent())
    function.deliver(function.remove("a.pdf"))
    assert function.sent() == []
    attributes = function.sqs.get_queue_attributes(QueueUrl=function.queue, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesDelayed"] == str(count)
