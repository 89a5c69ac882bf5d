"""What a topic delivers: notifications, each with a bucket's event of one or several records. Pure.

Owns the two envelopes. What is done about a record is `documents`'s.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from lambdas.shared.json_values import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_hexadecimal = re.compile(r"[0-9A-Fa-f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEvent:
    """What happened to one object."""

    bucket: str
    key: str
    sequencer: str
    """Orders the events of a key; "" where the event has none."""
    event: Mapping[str, Any]
    """The whole event that told of it, with no other record: what is kept when it fails."""

    @property
    def source(self) -> str:
        """What the object's rows are found by."""
        return f"{self.bucket}/{self.key}"


class MalformedEventError(ValueError):
    """The event is neither a topic's nor a bucket's."""


def object_events(event: object) -> tuple[list[ObjectEvent], MalformedEventError | None]:
    """The objects that an event tells of, and what is wrong with the rest of it; S3's test event tells of none.

    Args:
        event: of SNS, or one of S3 itself.

    Returns:
        The objects; and the last problem, when it is neither, or one of its records is not.
    """
    records = event.get("Records") if is_object(event) else None
    if not is_list(records):
        if is_object(event) and event.get("Event") == "s3:TestEvent":
            return [], None
        return [], MalformedEventError("the event has no \"Records\": it is neither a topic's nor a bucket's")
    found: list[ObjectEvent] = []
    problem: MalformedEventError | None = None
    for about, whole in itertools.chain.from_iterable(map(_alone, records)):
        try:
            found.append(_object(about, whole))
        except MalformedEventError as error:
            problem = error
    return found, problem


def _alone(record: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The bucket's records in a record of an event, each with an event of its own around it."""
    notification = record.get("Sns") if is_object(record) else None
    if not is_object(notification):
        yield record, {"Records": [record]}
        return
    for inner in _inner(notification):
        message = json.dumps({"Records": [inner]})
        yield inner, {"Records": [{**record, "Sns": {**notification, "Message": message}}]}


def _inner(notification: Mapping[str, Any]) -> list[Any]:
    """A notification's records; of a message that is not a bucket's event one, which names nothing."""
    try:
        message = json.loads(notification["Message"])
        if message.get("Event") == "s3:TestEvent":
            return []
        records = message["Records"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        records = None
    return records if is_list(records) else [None]


def _object(record: Any, event: Mapping[str, Any]) -> ObjectEvent:
    try:
        about = record["s3"]
        key, bucket = about["object"]["key"], about["bucket"]["name"]
        sequencer = str(about["object"].get("sequencer") or "")
    except (KeyError, TypeError, AttributeError):
        raise MalformedEventError("a record is not an event of a bucket: it names no bucket and key") from None
    if not (isinstance(key, str) and isinstance(bucket, str) and key and bucket):
        raise MalformedEventError("a record's bucket and key are not texts")
    # Stores that only speak S3's protocol have other orders, or none.
    order = sequencer if _hexadecimal.fullmatch(sequencer) else ""
    return ObjectEvent(bucket=bucket, key=unquote_plus(key), sequencer=order, event=event)
