"""What cannot be read has a code, is told once, and takes nothing else down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lambdas.extract_text import handler
from lambdas.extract_text.contract import CHUNK_TOKENS
from lambdas.extract_text.errors import ConfigurationError, QueueError
from lambdas.extract_text.handler import RetryError
from lambdas.extract_text.messages import BATCH_BYTES, Queue
from lambdas.extract_text.settings import Settings
from lambdas.shared.child import How
from lambdas.shared.pdf import endings, pdf_text, reading, tables
from lambdas.shared.pdf.errors import CODES
from tests.encrypted import METHODS, encrypted
from tests.lambdas.extract_text.conftest import Function, Index
from tests.pdfs import scan_pdf, table_pdf, text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.account import Account

PAGES = [f"Page {number} of the book about bees." for number in range(1, 7)]
SECRET = text_pdf(PAGES, password="open sesame")


@pytest.mark.parametrize(
    ("key", "data", "code"),
    [
        ("a.docx", b"PK", "unsupported_type"),
        ("no suffix", b"%PDF-1.7", "unsupported_type"),
        ("binary.txt", b"\x7fELF\x02\x00\x01\x00\x00\x13", "unsupported_type"),
        ("empty.pdf", b"", "not_a_pdf"),
        ("page.pdf", b"<html>not found</html>", "not_a_pdf"),
        ("secret.pdf", SECRET, "encrypted"),
        ("cut.pdf", text_pdf(PAGES)[:100], "damaged"),
        ("large.pdf", text_pdf(PAGES) + b" " * 60_000, "too_large"),
        ("long.pdf", text_pdf(["page"] * 11), "too_many_pages"),
    ],
)
def test_what_cannot_be_read_is_recorded_and_not_tried_again(
    make_function: Callable[..., Function], key: str, data: bytes, code: str
) -> None:
    function = make_function(MAX_FILE_BYTES="60000", MAX_PAGES="10")
    record = function.put(key, data)
    (answer,) = function.deliver(record)
    assert answer["status"] == "error"
    assert answer["error"]["code"] == code
    assert code in CODES
    result = function.result(key)
    assert result is not None
    assert result["error"] == answer["error"]
    assert (result["pages"], result["chunks"]) == ([], [])
    assert result["totals"] == {"pages": 0, "tokens": 0, "chunks": 0}
    assert function.sent() == []
    (failed,) = function.failed()
    assert failed["requestPayload"] == {"Records": [record]}
    assert failed["responsePayload"] == {"errorType": code, "errorMessage": answer["error"]["message"]}
    assert function.ask(key) == answer, "a direct call says the same"


def test_without_a_dead_letter_queue_of_its_own_the_event_is_raised(make_function: Callable[..., Function]) -> None:
    function = make_function(DEAD_LETTER_QUEUE_URL="")
    with pytest.raises(RetryError, match="encrypted and does not open"):
        function.deliver(function.put("a.pdf", SECRET))
    assert (function.result("a.pdf") or {})["error"]["code"] == "encrypted"


@pytest.mark.parametrize("method", METHODS)
def test_an_encrypted_file_that_opens_without_a_password_is_read(function: Function, method: str) -> None:
    rows = [["Hive", "Honey"], ["Lime Tree", "12"]]
    key, data = "a.pdf", encrypted(table_pdf(rows), method, "")
    (answer,) = function.deliver(function.put(key, data))
    assert (answer["status"], answer.get("pages")) == ("ok", 1), answer
    result = function.result(key)
    assert result is not None
    assert result["pages"][0]["tables"] == [rows], "another library reads the tables"
    assert "Lime Tree" in result["pages"][0]["text"]


@pytest.mark.parametrize("method", METHODS)
def test_an_encrypted_file_that_needs_a_password_is_told(function: Function, method: str) -> None:
    (answer,) = function.deliver(function.put("a.pdf", encrypted(text_pdf(PAGES), method, "secret")))
    assert answer["error"]["code"] == "encrypted"
    assert len(function.failed()) == 1


def test_a_version_that_cannot_be_read_leaves_nothing_of_the_one_before(function: Function) -> None:
    index = Index()
    function.deliver(function.put("a.pdf", text_pdf(PAGES)))
    index.take(function.sent())
    assert index.texts
    function.deliver(function.put("a.pdf", SECRET))
    index.take(function.sent())
    assert index.texts == {}
    function.deliver(function.put("a.pdf", text_pdf(PAGES)))
    index.take(function.sent())
    assert index.texts


def test_one_bad_document_leaves_the_others_of_its_event_alone(function: Function) -> None:
    records = [function.put("a.pdf", SECRET), function.put("b.pdf", text_pdf(PAGES)), function.put("c.bin", b"c")]
    answers = function.deliver(*records)
    assert [answer["status"] for answer in answers] == ["error", "ok", "error"]
    assert len(function.failed()) == 2


def test_what_a_retry_may_help_is_raised_after_the_others_were_tried(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [function.put("a.pdf", text_pdf(PAGES)), function.put("b.pdf", text_pdf(PAGES))]
    store = handler._documents()._store
    real = store.fetch

    def fetch(source: Any, path: Any) -> None:
        if source.key == "a.pdf":
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        real(source, path)

    monkeypatch.setattr(store, "fetch", fetch)
    with pytest.raises(RetryError, match="AccessDenied"):
        function.deliver(*records)
    assert function.result("a.pdf") is None
    assert function.result("b.pdf") is not None
    assert function.failed() == []


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"bucket": "b"},
        {"bucket": "b", "key": ""},
        {"bucket": "b", "key": 7},
        {"bucket": "b", "key": "k", "version_id": 7},
        {"bucket": "b", "key": "k", "versionId": "x"},
        {"Records": "none"},
    ],
)
def test_a_call_that_is_none_is_told_so(function: Function, event: dict[str, Any]) -> None:
    answer = function.invoke(event)
    assert answer["status"] == "error"
    assert answer["error"]["code"] == "bad_request"


def test_a_document_that_is_not_there(function: Function) -> None:
    assert function.ask("absent.pdf")["error"]["code"] == "not_found"
    assert function.invoke({"bucket": "no-such-bucket", "key": "a.pdf"})["error"]["code"] == "not_found"
    version = function.put("a.pdf", text_pdf(PAGES))["s3"]["object"]["versionId"]
    assert function.ask("a.pdf", version[:-1] + "x")["error"]["code"] in ("not_found", "bad_request")


def test_a_test_event_of_s3_is_ignored(function: Function) -> None:
    assert function.invoke({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}) == {
        "ignored": "s3:TestEvent"
    }


def test_a_result_is_never_taken_for_a_document(make_function: Callable[..., Function], account: Account) -> None:
    function = make_function()
    record = function.record("extracted/a.pdf", "ObjectCreated:Put")
    record["s3"]["bucket"]["name"] = function.results
    assert function.deliver(record) == [{"status": "ignored", "key": "extracted/a.pdf"}]
    answer = function.invoke({"bucket": function.results, "key": "extracted/a.pdf"})
    assert answer["error"]["code"] == "bad_request"


def test_what_is_in_the_place_of_a_result_is_not_overwritten(function: Function) -> None:
    function.s3.put_object(Bucket=function.results, Key="extracted/a.pdf.json", Body=b'{"of": "somebody else"}')
    record = function.put("a.pdf", text_pdf(PAGES))
    (answer,) = function.deliver(record)
    assert answer["error"] == {
        "code": "bad_request",
        "message": "extracted/a.pdf.json is there, and is no result of this function's",
    }
    assert function.result("a.pdf") == {"of": "somebody else"}


def test_a_key_that_leaves_no_room_for_its_result(function: Function) -> None:
    (answer,) = function.deliver(function.put("k" * 1015 + ".pdf", text_pdf(PAGES)))
    assert answer["error"]["code"] == "bad_request"


@pytest.mark.parametrize(("how", "error"), [("loop", "it took too long"), ("crash", "it crashes the library")])
def test_a_page_that_kills_its_child_is_reported_and_the_others_are_kept(
    function: Function, monkeypatch: pytest.MonkeyPatch, how: str, error: str
) -> None:
    real = pdf_text.read_page

    def read_page(document: Any, index: int) -> pdf_text.Page:
        if index == 2:
            sum(iter(int, 1)) if how == "loop" else __import__("os").abort()
        if index == 4:
            raise ValueError("a page of its own kind")
        return real(document, index)

    monkeypatch.setattr(pdf_text, "read_page", read_page)
    monkeypatch.setattr(reading, "PAGE_CPU_SECONDS", 1)
    (answer,) = function.deliver(function.put("a.pdf", text_pdf(PAGES)))
    assert (answer["status"], answer["pages"]) == ("ok", 6)
    result = function.result("a.pdf")
    assert result is not None
    texts = [page["text"] for page in result["pages"]]
    assert texts == [*PAGES[:2], "", PAGES[3], "", PAGES[5]]
    errors = [page.get("error") for page in result["pages"]]
    assert errors[2].startswith(error)
    assert errors[4] == "ValueError: a page of its own kind"
    assert [errors[index] for index in (0, 1, 3, 5)] == [None] * 4


def test_tables_that_kill_their_child_cost_no_text(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pdf_text.read_page

    def read_page(document: Any, index: int) -> pdf_text.Page:
        page = real(document, index)
        return pdf_text.Page(page.text, needs_ocr=False, tables_likely=True)

    def read_tables(path: Any, indexes: list[int]) -> Any:
        for index in indexes:
            if index == 3:
                __import__("os").abort()
            yield index, [[["a", "b"], ["c", None]]]

    monkeypatch.setattr(pdf_text, "read_page", read_page)
    monkeypatch.setattr(tables, "read_tables", read_tables)
    function.deliver(function.put("a.pdf", text_pdf(PAGES)))
    result = function.result("a.pdf")
    assert result is not None
    assert [page["text"] for page in result["pages"]] == PAGES
    assert [len(page["tables"]) for page in result["pages"]] == [1, 1, 1, 0, 1, 1]
    assert result["pages"][3]["error"] == "tables: it crashes the library that reads it"


def test_a_document_that_takes_longer_than_the_function_may_is_recorded(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_text, "read_page", lambda *_: sum(iter(int, 1)))
    monkeypatch.setattr(reading, "PAGE_CPU_SECONDS", 100)
    (answer,) = function.deliver(function.put("a.pdf", text_pdf(PAGES)), seconds=8)
    assert answer["error"]["code"] == "timed_out"
    assert (function.result("a.pdf") or {})["error"]["code"] == "timed_out"
    assert function.deliver(function.put("b.txt", b"the next event"))[0]["status"] == "ok"


def test_a_document_that_eats_memory_is_too_large(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytes] = []

    def open_document(_: Any) -> Any:
        while True:
            kept.append(b"x" * 10_000_000)

    monkeypatch.setattr(pdf_text, "open_document", open_document)
    monkeypatch.setattr(handler._documents(), "_memory_bytes", 100_000_000)
    (answer,) = function.deliver(function.put("a.pdf", text_pdf(PAGES)))
    assert answer["error"]["code"] == "too_large"


def test_a_scan_says_that_it_needs_ocr(function: Function) -> None:
    (answer,) = function.deliver(function.put("scan.pdf", scan_pdf()))
    assert (answer["status"], answer["pages"], answer["chunks"], answer["queued"]) == ("ok", 1, 0, 0)
    result = function.result("scan.pdf")
    assert result is not None
    assert result["pages"] == [{"number": 1, "text": "", "tables": [], "tokens": 0, "images": 1, "needs_ocr": True}]


class Refusing:
    """A queue that takes only some of a batch."""

    def __init__(self, real: Any, times: int, always: int = 0) -> None:
        self.real = real
        self.always = always
        self.times = times
        self.sizes: list[int] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.sizes.append(sum(len(entry["MessageBody"]) for entry in Entries))
        if self.times <= 0:
            return self.real.send_message_batch(QueueUrl=QueueUrl, Entries=Entries)
        self.times -= 1
        half = max(self.always, len(Entries) // 2)
        taken, refused = Entries[half:], Entries[:half]
        if taken:
            self.real.send_message_batch(QueueUrl=QueueUrl, Entries=taken)
        failed = [{"Id": entry["Id"], "Code": "InternalError", "SenderFault": False} for entry in refused]
        return {"Successful": [], "Failed": failed}


def test_what_the_queue_refuses_of_a_batch_is_sent_again(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = [json.dumps({"id": str(number), "text": "x"}) for number in range(25)]
    assert Queue(Refusing(function.sqs, times=2), function.queue).send(bodies) == 25
    assert sorted(int(message["id"]) for message in function.sent()) == list(range(25))


def test_what_the_queue_refuses_again_and_again_is_raised(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(QueueError, match="the queue refused 1 messages: InternalError"):
        Queue(Refusing(function.sqs, times=99, always=1), function.queue).send(["{}"] * 10)


def test_a_batch_is_never_larger_than_the_queue_takes(function: Function) -> None:
    queue = Refusing(function.sqs, times=0)
    bodies = [json.dumps({"id": str(number), "text": "x" * 90_000}) for number in range(7)]
    Queue(queue, function.queue).send(bodies)
    assert max(queue.sizes) <= BATCH_BYTES
    assert len(queue.sizes) == 4
    assert len(function.sent()) == 7


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RESULT_BUCKET": ""}, "RESULT_BUCKET is not set"),
        ({"RESULT_PREFIX": "no-folder"}, "RESULT_PREFIX is 'no-folder'"),
        (
            {"CHUNK_TOKENS": "5"},
            f"CHUNK_TOKENS is '5': .* of at least {CHUNK_TOKENS.at_least} and at most",
        ),
        ({"CHUNK_OVERLAP_TOKENS": "300"}, "CHUNK_OVERLAP_TOKENS is 300, and chunks have 512 tokens: it may be 256"),
        ({"TIKTOKEN_ENCODING": "p50k_base"}, "TIKTOKEN_ENCODING is 'p50k_base'"),
    ],
)
def test_wrong_settings_name_variable_value_and_rule(variables: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Settings.load({"RESULT_BUCKET": "results", **variables})


def test_wrong_settings_fail_documents_and_not_the_start(make_function: Callable[..., Function]) -> None:
    function = make_function(CHUNK_TOKENS="5")
    with pytest.raises(RetryError, match="CHUNK_TOKENS is '5'"):
        function.deliver(function.put("a.pdf", text_pdf(PAGES)))
    health = function.invoke({"test": True})
    assert health["ok"] is False
    assert any("CHUNK_TOKENS" in problem for problem in health["problems"])


def test_the_health_answer_tells_versions_and_tries_a_child(function: Function) -> None:
    health = function.invoke({"test": True})
    assert health["problems"] == []
    assert health["versions"].keys() == handler.DISTRIBUTIONS.keys()
    assert health["checks"] == {
        "settings": "512 tokens a chunk, queued",
        "vocabulary": "cl100k_base, 2 tokens in 'hello world'",
        "children": "a child answers",
    }


def test_every_way_in_which_a_child_can_end_has_a_code() -> None:
    assert endings._CODES.keys() == endings.REASONS.keys() == set(How) - {How.FINISHED}
