"""What may be in a message's body, and what is said about the rest."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdas.embedding.errors import RejectedMessageError
from lambdas.embedding.messages import MAX_METADATA_BYTES, Message, metadata_bytes, parse
from lambdas.shared.blank import is_blank

any_text = st.text(st.characters(codec=None, categories=["L", "N", "P", "S", "Z", "C"]))  # lone surrogates too
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
shaped = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("Type", "TopicArn", "Event", "detail", "detail-type", "specversion"), json_values),
        "Records": json_values | st.lists(st.fixed_dictionaries({"eventSource": json_values})),
        "id": json_values,
        "text": json_values | any_text,
        "namespace": json_values,
        "metadata": json_values,
    },
)


def outcome(body: str) -> Message | str:
    """The message, or why it is none; anything else than a rejection is raised."""
    try:
        return parse(body)
    except RejectedMessageError as error:
        return str(error)


def rejection(body: str | dict[str, Any]) -> str:
    with pytest.raises(RejectedMessageError) as caught:
        parse(body if isinstance(body, str) else json.dumps(body))
    return str(caught.value)


@given(any_text | json_values.map(json.dumps) | shaped.map(json.dumps))
@example("[" * 100_000)
@example('{"Type": {}, "TopicArn": 1}')
@example('{"Records": [{"eventSource": []}]}')
@example('{"text": ' + "9" * 10_000 + "}")
def test_any_body_is_a_message_or_a_rejection(body: str) -> None:
    message = outcome(body)
    if isinstance(message, str):
        assert message.isprintable()
        assert len(message) < 300
        return
    assert not is_blank(message.text)
    assert message.id.isascii()
    assert 1 <= len(message.id) <= 512
    for value in (message.text, message.namespace or "", json.dumps(message.metadata, ensure_ascii=False)):
        value.encode()
    assert metadata_bytes(message.metadata) <= MAX_METADATA_BYTES
    json.dumps(message.metadata, allow_nan=False)


@given(any_text)
def test_the_same_body_is_always_the_same_message(body: str) -> None:
    assert outcome(body) == outcome(body)


def test_plain_text_is_taken_as_it_is() -> None:
    texts = ("just words", "[not json, but text]", 'Tom\'s "quoted" text', "  spaces kept  ", "12 apples", "ünï")
    beginnings_of_json = (
        "Infinity War",
        "NaN",
        "-Infinity is a float",
        "[NaN, 1] in numpy",
        '[{"a": 1, "a": 2}] is a list',
    )
    for text in texts + beginnings_of_json:
        assert parse(text) == Message(hashlib.sha256(text.encode()).hexdigest(), text)


def test_a_byte_order_mark_changes_nothing() -> None:
    assert parse('\ufeff{"id": "i", "text": "t"}') == parse('{"id": "i", "text": "t"}')
    assert parse("\ufeffjust words") == parse("just words")
    assert parse('\ufeff\ufeff{"id": "i", "text": "t"}') == parse('{"id": "i", "text": "t"}')


def test_both_names_of_the_default_namespace_are_one() -> None:
    assert parse('{"text": "a", "namespace": "__default__"}') == parse('{"text": "a", "namespace": ""}')


@pytest.mark.parametrize("body", [None, 5, ["text"], {"text": "a"}, True])
def test_a_body_that_is_no_string_is_a_rejection(body: Any) -> None:
    with pytest.raises(RejectedMessageError, match="it must be a string"):
        parse(body)


def test_every_key_is_optional_but_text() -> None:
    assert parse('{"text": "a"}').id == hashlib.sha256(b"a").hexdigest()
    assert parse('{"text": "a", "id": null, "namespace": null, "metadata": null}').namespace is None
    full = parse('{"id": "i", "text": "t", "namespace": "n", "metadata": {"k": ["a"], "b": true, "f": 1.5, "x": null}}')
    assert full == Message("i", "t", namespace="n", metadata={"k": ["a"], "b": True, "f": 1.5})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps('{"text": "a"}'), "it was encoded twice; send the object itself"),
        ({"text": "\u200b\u2060"}, "shows nothing"),
        ({"text": "\ufeff \0"}, "shows nothing"),
        ("\u200b", "shows nothing"),
        ({"text": "a", "metadata": {"$eq": 1}}, "nor begin with $"),
        ({"text": "a", "metadata": {"a": ["b", None]}}, "a list that holds more than strings"),
        ('{"text": "a"', "begins with { and is not valid JSON at character 12"),
        ("[1]", "a list instead of an object"),
        ('[{"a": 1, "a": 2}]', "a list instead of an object"),
        ("12", "a number instead of an object"),
        ('"a"', "a string instead of an object"),
        ("null", "null instead of an object"),
        ({"text": 1}, "text is a number: it must be a string"),
        ({"text": True}, "text is a boolean"),
        ({}, "there is no text"),
        (" \n", "empty, or shows nothing"),
        ({"text": "a", "titel": "b"}, "unknown key 'titel': the keys are id, text, namespace, metadata"),
        ('{"text": "a", "text": "b"}', "the same key twice"),
        ('{"text": "\\udead"}', "text has half of a surrogate pair at character 0"),
        ({"text": "a", "id": 1}, "id is a number"),
        ({"text": "a", "id": "ü"}, "not ASCII"),
        ({"text": "a", "id": "a\0"}, "not ASCII"),
        (
            {"text": "a", "id": "issue#12"},
            "id 'issue#12' ends in # and a number, as the ids of a long text's chunks do",
        ),
        ({"text": "a", "id": "a" * 513}, "id has 513 characters: Pinecone takes at most 512"),
        ({"text": "a", "namespace": "ü"}, "printable ASCII"),
        ({"text": "a", "metadata": {"a": {}}}, "metadata 'a' is an object"),
        ({"text": "a", "metadata": {"a": [1]}}, "metadata 'a' is a list that holds more than strings"),
        ({"text": "a", "metadata": {"": 1}}, "must not be empty"),
        ({"text": "a", "metadata": {"strata_x": 1}}, "the function's own"),
        ({"text": "a", "metadata": {"n": 2**53 + 1}}, "beyond 2^53"),
        ('{"text": "a", "metadata": {"n": 1e999}}', "too large a number"),
        ('{"text": "a", "metadata": {"n": NaN}}', "is not valid JSON: NaN is none of its values"),
        ({"text": "a", "metadata": {"a": "x" * 40_960}}, "Pinecone takes 40960 per vector"),
    ],
)
def test_a_rejection_says_what_is_wrong(body: Any, said: str) -> None:
    assert said in rejection(body)


def test_a_rejection_does_not_quote_the_text() -> None:
    assert "secret words" not in rejection({"text": "secret words \ud800"})
    assert "secret words" not in rejection('{"text": "secret words"')


def test_metadata_is_measured_in_utf8() -> None:
    parse(json.dumps({"text": "a", "metadata": {"k": "x" * (MAX_METADATA_BYTES - 8)}}))
    rejection({"text": "a", "metadata": {"k": "ü" * (MAX_METADATA_BYTES // 2)}})


# --- fault 18


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"delete": True}, "there is delete and no id"),
        ({"id": "a", "delete": True, "text": "x"}, "both delete and text"),
        ({"id": "a", "delete": True, "metadata": {}}, "both delete and metadata"),
        ({"id": "a", "delete": "yes"}, "delete is a string: it must be true or false"),
        ({"id": "a", "delete": 1}, "delete is a number"),
        ({"id": "a#1", "delete": True}, "choose another id"),
        ({"id": "a", "delete": False}, "there is no text"),
        ({"id": "a", "delete": True, "namespace": "strata-deleted"}, "is the function's own"),
    ],
)
def test_a_deletion_says_which_document_and_nothing_else(body: dict[str, Any], said: str) -> None:
    with pytest.raises(RejectedMessageError, match=re.escape(said)):
        parse(json.dumps(body))


def test_delete_may_be_false() -> None:
    assert parse('{"id": "a", "text": "x", "delete": false}') == parse('{"id": "a", "text": "x"}')


# --- fault 16: what is wrapped, and what is no text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-central-1:1:t", "Message": "hello"},
            "an SNS notification: turn on raw message delivery",
        ),
        ({"Type": "UnsubscribeConfirmation", "TopicArn": "arn", "Message": "hello"}, "an SNS notification"),
        (
            {"version": "0", "id": "1", "detail-type": "Order", "source": "shop", "detail": {"text": "hello"}},
            "an EventBridge event: give the rule's target an input path, such as $.detail",
        ),
        (
            {
                "version": "1.0",
                "timestamp": "2026-11-29T07:00:00.000Z",
                "requestContext": {"requestId": "r", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
                "requestPayload": {"text": "hello"},
                "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
                "responsePayload": {"errorMessage": "hello"},
            },
            "what Lambda tells a destination of an asynchronous invocation: point that function's destination",
        ),
        ({"requestContext": {"condition": "EventAgeExceeded"}, "requestPayload": {"text": "hello"}}, "requestPayload"),
        (
            {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order", "data": {"text": "hello"}},
            "a CloudEvent: send its data on, as a message",
        ),
        ({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data_base64": "aGVsbG8="}, "a CloudEvent"),
        (
            {"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "s3": {"object": {"key": "a"}}}]},
            "an event of an S3 bucket: this queue takes texts, not objects",
        ),
        (
            {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-28", "Bucket": "b", "RequestId": "r"},
            "the test event that S3 sends",
        ),
        (
            ["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "b", "s3Key": "k"}],
            "a pointer to S3 of the SQS extended client",
        ),
        (
            ["com.amazon.sqs.javamessaging.MessageS3Pointer", {"s3BucketName": "b", "s3Key": "k"}],
            "a pointer to S3 of the SQS extended client",
        ),
        ({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "hello"}}]}, "with raw message delivery"),
        ({"Records": [{"eventSource": "aws:sqs", "body": "hello"}]}, "send its records' bodies on"),
    ],
)
def test_a_wrapped_body_is_refused_with_the_setting_that_unwraps_it(body: Any, said: str) -> None:
    with pytest.raises(RejectedMessageError, match=re.escape(said)) as refused:
        parse(json.dumps(body))
    assert "hello" not in str(refused.value)


@pytest.mark.parametrize("body", ["42", "null", '"quoted"', "true", "[1]", "4.5"])
def test_a_text_that_is_json_is_refused_with_the_way_to_send_it(body: str) -> None:
    with pytest.raises(RejectedMessageError, match=re.escape('is sent as {"text": "42"}')):
        parse(body)
    assert parse(json.dumps({"text": body})).text == body
