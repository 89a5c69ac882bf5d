"""Messages that were wrapped before they reached the queue, by a service or by encoding them twice: what unwraps them.

Owns the recognition only: a wrapped text is refused, because what it was wrapped with may be no text of the sender's.
"""

from __future__ import annotations

from typing import Any

from lambdas.shared.json_values import is_list, is_object

TOPIC_TYPES = ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation")
POINTERS = frozenset(
    {"software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"}
)
RECORDS = {
    "aws:s3": "an event of an S3 bucket: this queue takes texts, not objects; point the notification elsewhere",
    "aws:sqs": "an event of SQS for a function: send its records' bodies on, one message each",
    "aws:sns": "an event of SNS for a function: subscribe the queue to the topic, with raw message delivery",
    "aws:dynamodb": "an event of a DynamoDB stream: send the item's text on, as a message",
    "aws:kinesis": "an event of a Kinesis stream: send the record's text on, as a message",
}

ENVELOPES = {
    frozenset({"detail-type", "detail"}): (
        "an EventBridge event: give the rule's target an input path, such as $.detail, or an input transformer"
    ),
    frozenset({"requestPayload"}): (
        "what Lambda tells a destination of an asynchronous invocation: point that function's destination elsewhere, "
        "or send its requestPayload on, as a message"
    ),
    frozenset({"specversion", "type"}): "a CloudEvent: send its data on, as a message, without the envelope",
}
"""By the keys that all of a kind have."""


def wrapper_of(value: Any) -> str | None:
    """What a body is that is not a message.

    Args:
        value: parsed JSON.

    Returns:
        Its kind and the remedy; None when it is nothing that is known.
    """
    if not is_object(value):
        return _pointer(value) if is_list(value) else _encoded_twice(value)
    if value.get("Type") in TOPIC_TYPES and "TopicArn" in value:
        return "the body is an SNS notification: turn on raw message delivery for the queue's subscription"
    for keys, kind in ENVELOPES.items():
        if keys <= value.keys():
            return f"the body is {kind}"
    if value.get("Event") == "s3:TestEvent":
        return (
            "the body is the test event that S3 sends when a bucket's notification is made: "
            "this queue takes texts, not objects; point the bucket's notification elsewhere"
        )
    return _records(value.get("Records"))


def _encoded_twice(value: Any) -> str | None:
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        return "the body is a JSON string that holds a JSON object: it was encoded twice; send the object itself"
    return None


def _pointer(value: list[Any]) -> str | None:
    if value and isinstance(value[0], str) and value[0] in POINTERS:
        return (
            "the body is a pointer to S3 of the SQS extended client: send the text itself, in several messages when it "
            "is larger than the queue takes"
        )
    return None


def _records(records: Any) -> str | None:
    first = records[0] if is_list(records) and records else None
    if not is_object(first):
        return None
    source = first.get("eventSource") or first.get("EventSource")
    return f"the body is {RECORDS[source]}" if isinstance(source, str) and source in RECORDS else None
