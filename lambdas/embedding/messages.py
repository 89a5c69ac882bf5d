"""A queue message's body, parsed: JSON `{"id"?, "text", "namespace"?, "metadata"?}`, JSON
`{"id", "delete": true, "namespace"?}`, or plain text.

Owns the rules of what a sender may send, Pinecone's limits among them. Whatever the body is, the outcome is a `Message`
or a `RejectedMessageError` that says what is wrong with it, without quoting the text.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lambdas.embedding.contract import DELETED_NAMESPACE, namespace_of
from lambdas.embedding.errors import RejectedMessageError
from lambdas.embedding.wrappers import wrapper_of
from lambdas.shared.blank import is_blank
from lambdas.shared.json_values import is_list, is_object

Metadata = dict[str, str | int | float | bool | list[str]]

KEYS = ("id", "text", "namespace", "metadata", "delete")
MAX_ID_LENGTH = 512
"""Pinecone's limit, in ASCII characters: https://docs.pinecone.io/reference/api/database-limits"""
MAX_NAMESPACE_LENGTH = 512
MAX_METADATA_BYTES = 40_960
"""Pinecone's 40 KB per vector."""
MAX_WHOLE_NUMBER = 2**53
"""Pinecone stores numbers as 64-bit floats: beyond this a whole number would silently become another."""
TEXT_FIELD = "text"
OWN_PREFIX = "strata_"
"""Metadata fields that the function adds: `text` and those of this prefix."""
_CHUNK_ID = re.compile(r".*#[0-9]+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Message:
    """What one message asks for."""

    id: str
    """The sender's, or the SHA-256 of the text, which a sender may give as an id as well."""
    text: str
    namespace: str | None = None
    """None is the function's default."""
    metadata: Metadata = field(default_factory=dict[str, Any])
    delete: bool = False
    """Whether the document of that id is to be removed; then there is no text."""


def parse(body: object) -> Message:
    """Read a message's body.

    A body that is valid JSON must be an object; one that begins like an object must be valid JSON; everything else is
    plain text. Byte order marks before it are no part of either. Only an event that SQS did not make has a body that is
    not a string.

    Raises:
        RejectedMessageError: the body can never be embedded.
    """
    if not isinstance(body, str):
        raise RejectedMessageError(f"the body is {_kind(body)}: it must be a string")
    _require_unicode(body, "the body")
    body = body.lstrip("\ufeff")
    objects = _Objects()
    try:
        value = json.loads(body, parse_constant=_no_constant, object_pairs_hook=objects.made)
    except RecursionError:
        raise RejectedMessageError("the body is JSON nested too deeply") from None
    except ValueError as error:  # not JSON, or a number with thousands of digits
        if body.lstrip()[:1] == "{":
            where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else f": {error}"
            raise RejectedMessageError(f"the body begins with {{ and is not valid JSON{where}") from None
        return _message({"text": body})
    if not is_object(value):
        raise RejectedMessageError(
            wrapper_of(value)
            or f"the body is JSON, and {_kind(value)} instead of an object: a text that is itself JSON, such as 42, "
            'null or "quoted", is sent as {"text": "42"}'
        )
    if objects.duplicates:
        raise RejectedMessageError("the body has an object with the same key twice")
    return _message(value)


def _message(value: dict[str, Any]) -> Message:
    unknown = sorted(value.keys() - set(KEYS))
    if unknown:
        wrapper = wrapper_of(value)
        raise RejectedMessageError(wrapper or f"unknown key {_shown(unknown[0])}: the keys are {', '.join(KEYS)}")
    if value.get("delete") is not None and not isinstance(value["delete"], bool):
        raise RejectedMessageError(f"delete is {_kind(value['delete'])}: it must be true or false")
    if value.get("delete"):
        return _deletion(value)
    text = value.get("text")
    if text is None:
        raise RejectedMessageError("there is no text")
    if not isinstance(text, str):
        raise RejectedMessageError(f"text is {_kind(text)}: it must be a string")
    _require_unicode(text, "text")
    if is_blank(text):
        raise RejectedMessageError("text is empty, or shows nothing: white space, zero-width or control characters")
    given = value.get("id")
    return Message(
        id=hashlib.sha256(text.encode()).hexdigest() if given is None else _id(given),
        text=text,
        namespace=_namespace(value.get("namespace")),
        metadata=_metadata(value.get("metadata")),
    )


def _deletion(value: dict[str, Any]) -> Message:
    for key in ("text", "metadata"):
        if value.get(key) is not None:
            raise RejectedMessageError(f"there are both delete and {key}: a message stores a document or deletes it")
    if value.get("id") is None:
        raise RejectedMessageError("there is delete and no id: say which document")
    namespace = _namespace(value.get("namespace"))
    return Message(id=_id(value["id"]), text="", namespace=namespace, delete=True)


def _id(value: Any) -> str:
    if not isinstance(value, str):
        raise RejectedMessageError(f"id is {_kind(value)}: it must be a string")
    if not value:
        raise RejectedMessageError("id is empty: leave it out, and the SHA-256 of the text is used")
    if not value.isascii() or "\0" in value:
        raise RejectedMessageError(f"id {_shown(value)} has characters that are not ASCII: Pinecone takes no others")
    if _CHUNK_ID.fullmatch(value):
        raise RejectedMessageError(
            f"id {_shown(value)} ends in # and a number, as the ids of a long text's chunks do: choose another id"
        )
    if len(value) > MAX_ID_LENGTH:
        raise RejectedMessageError(f"id has {len(value)} characters: Pinecone takes at most {MAX_ID_LENGTH}")
    return value


def _namespace(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise RejectedMessageError(f"namespace is {_kind(value)}: it must be a string")
    if not value.isascii() or not value.isprintable() or len(value) > MAX_NAMESPACE_LENGTH:
        raise RejectedMessageError(
            f"namespace {_shown(value)} must be up to {MAX_NAMESPACE_LENGTH} printable ASCII characters"
        )
    if value == DELETED_NAMESPACE:
        raise RejectedMessageError(f"namespace {_shown(value)} is the function's own: choose another name")
    return namespace_of(value)


def _metadata(value: Any) -> Metadata:
    if value is None:
        return {}
    if not is_object(value):
        raise RejectedMessageError(f"metadata is {_kind(value)}: it must be an object")
    for name, item in value.items():
        _check_field(name, item)
    # Pinecone drops a null itself.
    metadata: Metadata = {name: item for name, item in value.items() if item is not None}
    size = metadata_bytes(metadata)
    if size > MAX_METADATA_BYTES:
        raise RejectedMessageError(f"metadata is {size} bytes as JSON: Pinecone takes {MAX_METADATA_BYTES} per vector")
    return metadata


def _check_field(name: str, item: Any) -> None:
    _require_unicode(name, "a metadata key")
    if not name or name.startswith("$"):
        raise RejectedMessageError(f"metadata key {_shown(name)} must not be empty nor begin with $")
    if name == TEXT_FIELD or name.startswith(OWN_PREFIX):
        raise RejectedMessageError(f"metadata key {_shown(name)} is the function's own: choose another name")
    if is_list(item):
        if not all(isinstance(one, str) for one in item):
            raise RejectedMessageError(f"metadata {_shown(name)} is a list that holds more than strings")
        for one in item:
            _require_unicode(one, f"metadata {_shown(name)}")
    elif isinstance(item, str):
        _require_unicode(item, f"metadata {_shown(name)}")
    elif isinstance(item, dict):
        raise RejectedMessageError(
            f"metadata {_shown(name)} is an object: Pinecone takes strings, numbers, booleans and lists of strings"
        )
    elif isinstance(item, int | float) and not isinstance(item, bool):
        _check_number(name, item)


def _check_number(name: str, item: float) -> None:
    if isinstance(item, int) and abs(item) > MAX_WHOLE_NUMBER:
        raise RejectedMessageError(
            f"metadata {_shown(name)} is a whole number beyond 2^53, which Pinecone would change: send it as a string"
        )
    if not math.isfinite(item):
        raise RejectedMessageError(f"metadata {_shown(name)} is too large a number")


def metadata_bytes(metadata: Metadata) -> int:
    """The size that Pinecone counts: compact JSON in UTF-8."""
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode())


def _require_unicode(value: str, what: str) -> None:
    """JSON can carry half of a surrogate pair; UTF-8 cannot, so nothing behind the queue could take it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RejectedMessageError(f"{what} has half of a surrogate pair at character {error.start}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is none of its values")


class _Objects:
    """JSON's objects as they are read; what is wrong with them counts when the whole turned out to be JSON."""

    duplicates = False

    def made(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object from its keys and values."""
        value = dict(pairs)
        self.duplicates = self.duplicates or len(value) != len(pairs)
        return value


def _kind(value: object) -> str:
    kinds: dict[type, str] = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), "null")


def _shown(value: str) -> str:
    """A name for a log line: short, ASCII, quoted."""
    return ascii(value if len(value) <= 40 else f"{value[:40]}…")  # noqa: PLR2004  enough to recognise it
