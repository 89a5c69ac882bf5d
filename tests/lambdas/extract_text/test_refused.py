"""What will never succeed is said so at once, in words that name it: calls, records of events, objects in S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lambdas.extract_text.errors import MAY_PASS, ConfigurationError
from lambdas.extract_text.handler import RetryError
from lambdas.extract_text.store import _explained
from lambdas.shared.pdf.errors import DocumentError
from lambdas.shared.plain_text import decode
from tests.lambdas.conftest import record as sqs_record
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.extract_text.conftest import Function

DATA = text_pdf(["A page about bees."])
KEY = "a.pdf"


@pytest.mark.parametrize("event", [[], "text", None, 5, 1.5, [{"Records": []}]], ids=repr)
def test_what_is_no_object_is_not_a_call(function: Function, event: Any) -> None:
    answer = function.invoke(event)
    assert answer["error"]["code"] == "bad_request"
    assert "neither an event of a bucket's nor" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("Not A Bucket", KEY),
        ("../bucket", KEY),
        ("b" * 300, KEY),
        ("bucket\ud800", KEY),
        ("bucket", "\ud800.pdf"),
        ("bucket", ["a.pdf"]),
        ("bucket", True),
        ({"name": "bucket"}, KEY),
    ],
    ids=repr,
)
def test_what_s3_can_have_by_no_name_is_a_bad_request(function: Function, bucket: Any, key: Any) -> None:
    answer = function.invoke({"bucket": bucket, "key": key})
    assert answer["error"]["code"] == "bad_request"
    assert len(answer["error"]["message"]) < 300


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "text",
        {},
        {"s3": None},
        {"s3": {"bucket": {"name": "b"}, "object": {}}},
        {"s3": {"bucket": {"name": "b"}, "object": {"key": 7}}},
        {"s3": {"bucket": {"name": "b"}, "object": {"key": ""}}},
        {"s3": {"bucket": {"name": None}, "object": {"key": "a.pdf"}}},
        sqs_record({"Records": []}, "1"),
        {"EventSource": "aws:sns", "Sns": {"Message": "{}"}},
    ],
    ids=lambda wrong: repr(wrong)[:40],
)
def test_a_record_that_is_not_a_buckets_leaves_the_others_of_its_event_alone(function: Function, wrong: Any) -> None:
    good = function.put(KEY, DATA)
    refused, read = function.deliver(wrong, good)
    assert refused["error"]["code"] == "bad_request"
    assert "the bucket has to notify the function itself" in refused["error"]["message"]
    assert read["status"] == "ok"
    (failed,) = function.failed()
    assert failed["requestPayload"] == {"Records": [wrong]}


def test_an_event_of_event_bridge_is_not_answered_to_nobody(function: Function) -> None:
    """It is asynchronous: an answer would be lost, and the event with it."""
    detail = {"bucket": {"name": function.bucket}, "object": {"key": KEY, "size": 1, "sequencer": "00"}}
    event = {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "resources": [], "detail": detail}
    with pytest.raises(DocumentError, match="the bucket has to notify the function itself"):
        function.invoke(event)


@pytest.mark.parametrize("sequencer", [None, "", 7, [1], "2026-11-28T08:00:00Z"], ids=repr)
def test_a_store_with_another_order_of_events_is_read_all_the_same(function: Function, sequencer: Any) -> None:
    record = function.put(KEY, DATA)
    record["s3"]["object"]["sequencer"] = sequencer
    assert [answer["status"] for answer in function.deliver(record, record)] == ["ok", "ok"]


def test_a_folder_that_the_console_makes_is_no_document_and_no_failure(function: Function) -> None:
    record = function.put("incoming/", b"")
    assert function.deliver(record) == [{"status": "gone", "key": "incoming/"}]
    assert not function.failed()
    assert function.ask("incoming/")["error"]["code"] == "unsupported_type"


def archived(function: Function) -> None:
    function.s3.put_object(Bucket=function.bucket, Key=KEY, Body=DATA, StorageClass="GLACIER")


def encrypted(function: Function) -> None:
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"0" * 32}
    function.s3.put_object(Bucket=function.bucket, Key=KEY, Body=DATA, **key)


@pytest.mark.parametrize(("put", "why"), [(archived, "archived"), (encrypted, "SSE-C")])
def test_an_object_that_s3_will_not_give_is_told_once(
    function: Function, put: Callable[[Function], None], why: str
) -> None:
    put(function)
    (answer,) = function.deliver(function.record(KEY, "ObjectCreated:Put"))
    assert answer["error"]["code"] == "bad_request"
    assert why in answer["error"]["message"]
    assert len(function.failed()) == 1
    assert function.ask(KEY)["error"] == answer["error"]


@pytest.mark.parametrize("code", ["KMS.DisabledException", "KMS.KMSInvalidStateException", "AccessDenied"])
def test_a_key_that_is_disabled_may_be_enabled_again(code: str) -> None:
    refusal = ClientError({"Error": {"Code": code, "Message": "m"}}, "GetObject")
    error = _explained(refusal, "bucket", KEY)
    assert isinstance(error, DocumentError)
    assert error.code in MAY_PASS


def test_without_a_bucket_for_results_nothing_is_queued_and_the_error_names_it(
    make_function: Callable[..., Function],
) -> None:
    function = make_function(RESULT_BUCKET="no-such-bucket-of-ours")
    record = function.put(KEY, DATA)
    with pytest.raises(RetryError, match="RESULT_BUCKET is 'no-such-bucket-of-ours', and there is no such bucket"):
        function.deliver(record)
    with pytest.raises(ConfigurationError, match="no such bucket"):
        function.ask(KEY)
    assert function.sent() == []


def test_zeros_far_down_in_a_text_are_spaces() -> None:
    assert decode(b"a" * 70_000 + b"\0b") == "a" * 70_000 + " b"
