"""A message of the queue → which documents are to be looked after. Pure.

It is S3's, of a file that was uploaded by a form, or the API's own. It only says where to look: what is done follows
from the document's row, so a message that comes twice, late or out of order leads to the same end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from lambdas.knowledge_base import contract, identifiers
from lambdas.shared.json_values import is_list, is_object

CREATED = "ObjectCreated:"
TEST_EVENT = "s3:TestEvent"
_KEYS = {"user_id", "document_id"}


class MessageError(ValueError):
    """A message that nobody here has sent."""


@dataclass(frozen=True, slots=True)
class Task:
    """One document to look after."""

    user_id: str
    document_id: str
    uploaded: bool
    """Whether a file has come for it."""


def tasks(body: str, bucket: str) -> list[Task]:
    """Read a message.

    Args:
        body: of the message.
        bucket: whose events are looked at.

    Returns:
        Nothing for S3's test event, and for events about other things than uploads.

    Raises:
        MessageError: it is neither S3's nor the API's.
    """
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise MessageError("the message is not JSON") from None
    if not is_object(message):
        raise MessageError("the message is not a JSON object")
    if message.get("Event") == TEST_EVENT:
        return []
    if is_list(message.get("Records")):
        found = [_uploaded(record, bucket) for record in message["Records"]]
        return [task for task in found if task is not None]
    if message.keys() == _KEYS and all(_is_id(value) for value in message.values()):
        return [Task(message["user_id"], message["document_id"], uploaded=False)]
    raise MessageError('the message is neither S3\'s nor {"user_id", "document_id"}')


def _uploaded(record: Any, bucket: str) -> Task | None:
    try:
        name, place = record["eventName"], record["s3"]
        found, key = place["bucket"]["name"], unquote_plus(place["object"]["key"])
    except (KeyError, TypeError, AttributeError):
        raise MessageError("a record of the message is not S3's") from None
    parts = key.removeprefix(contract.UPLOADS_PREFIX).removesuffix(contract.UPLOAD_SUFFIX).split("/")
    ours = found == bucket and key.startswith(contract.UPLOADS_PREFIX) and key.endswith(contract.UPLOAD_SUFFIX)
    if not (ours and str(name).removeprefix("s3:").startswith(CREATED) and len(parts) == 2 and all(map(_is_id, parts))):  # noqa: PLR2004  user and document
        return None
    return Task(parts[0], parts[1], uploaded=True)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and identifiers.valid(value)
