"""What events and direct calls say: of which document, or that they are none. Pure."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from lambdas.shared.json_values import is_object
from lambdas.shared.pdf.errors import DocumentError
from lambdas.shared.surrogates import has_half_pair

KEYS: Final = {"bucket", "key", "version_id"}
FORMS: Final = 'neither an event of a bucket\'s nor an object {"bucket", "key", "version_id"?}'
HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]+")
SHOWN: Final = 60
"""Characters of a wrong value that are shown."""


class Place(NamedTuple):
    """Which document an event tells of."""

    bucket: str
    key: str
    sequencer: str
    """What orders the events of a key."""


def request(event: object) -> tuple[str, str, str | None]:
    """Bucket, key and version of a direct call.

    Raises:
        DocumentError: `bad_request`: it is none.
    """
    if not is_object(event):
        raise DocumentError("bad_request", f"the event is {_shown(event)}, which is {FORMS}")
    unknown = sorted(map(str, event.keys() - KEYS))
    if unknown or not {"bucket", "key"} <= event.keys():
        keys = f"; it has {_shown(', '.join(unknown))}" if unknown else ""
        raise DocumentError("bad_request", f"the event is {FORMS}{keys}")
    for name, value in event.items():
        if not _is_text(value) and not (name == "version_id" and value is None):
            raise DocumentError(
                "bad_request", f"{name} is {_shown(value)}: it has to be a text that is not empty, of whole characters"
            )
    return event["bucket"], event["key"], event.get("version_id")


def refuse_of_event_bridge(event: object) -> None:
    """Refuse an event whose answer nobody reads: it is raised, so Lambda keeps the event when its retries are used up.

    Raises:
        DocumentError: `bad_request`: the event is EventBridge's.
    """
    if is_object(event) and "detail-type" in event:
        kind = _shown(event["detail-type"])
        raise DocumentError(
            "bad_request", f"the event is EventBridge's ({kind}): the bucket has to notify the function itself"
        )


def place(record: Any) -> Place:
    """What a record of a bucket's event is about; keys are form-URL-encoded there.

    Raises:
        DocumentError: `bad_request`: it is another service's.
    """
    try:
        about = record["s3"]
        found = about["object"]
        bucket, key, sequencer = about["bucket"]["name"], unquote_plus(found["key"]), str(found.get("sequencer"))
    except (KeyError, TypeError, AttributeError):
        bucket = key = sequencer = ""
    if not (_is_text(bucket) and key):
        source = record.get("eventSource") if is_object(record) else record
        raise DocumentError(
            "bad_request",
            f"a record of the event is not a bucket's (its eventSource is {_shown(source)}): the bucket has to notify "
            "the function itself, without a queue or topic between them",
        )
    # Stores that only speak S3's protocol have other orders, or none.
    return Place(bucket, key, sequencer if HEXADECIMAL.fullmatch(sequencer) else "0")


def key_of(record: object) -> str:
    """The key of a record, for a log; a dash when it has none."""
    try:
        return place(record).key
    except DocumentError:
        return "-"


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not has_half_pair(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
