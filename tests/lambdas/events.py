"""Events as AWS sends them, and a call of a handler with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.lambdas.conftest import Context, record

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "123456789012"
REGION = "eu-central-1"


def invoke(handler: Callable[..., Any], event: dict[str, Any]) -> Any:
    """What a handler answers to an event, with a minute to do it."""
    return handler(event, Context())


def sqs_event(**bodies: str) -> dict[str, Any]:
    """A batch of a queue: message id → body."""
    return {"Records": [record(body, message_id) for message_id, body in bodies.items()]}


def sns_event(message: str) -> dict[str, Any]:
    """A notification of a topic."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:strata-test-topic"
    notification = {
        "SignatureVersion": "1",
        "Timestamp": "2019-01-02T12:45:07.000Z",
        "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "Message": message,
        "MessageAttributes": {},
        "Type": "Notification",
        "TopicArn": topic,
        "Subject": None,
    }
    subscription = f"{topic}:21be56ed-a058-49f5-8c98-aedd2564c486"
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription,
                "EventSource": "aws:sns",
                "Sns": notification,
            }
        ]
    }


def s3_event(bucket: str, key: str, *, size: int = 34) -> dict[str, Any]:
    """A bucket's event of a new object.

    Args:
        bucket: Its name.
        key: As S3 writes it in events: form-encoded, `two+words.json`.
        size: In bytes.
    """
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": REGION,
                "eventTime": "2019-09-03T19:37:27.192Z",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "828aa6fc-f7b5-4305-8584-487c791949c1",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": size, "eTag": "b21b84d653bb07b05b1e6b33684dc11b"},
                },
            }
        ]
    }


def http_event(route: str, body: str | None, headers: dict[str, str], *, base64: bool = False) -> dict[str, Any]:
    """A request to an HTTP API, payload version 2.0.

    Args:
        route: `POST /path`.
        body: What was sent, base64 where `base64` says so.
        headers: With names in lower case.
        base64: Whether the API took the body for binary.
    """
    method, _, path = route.partition(" ")
    host = f"api123.execute-api.{REGION}.amazonaws.com"
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": host, **headers},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "api123",
            "domainName": host,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "-"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "timeEpoch": 1_583_348_638_390,
        },
        "body": body,
        "isBase64Encoded": base64,
    }
