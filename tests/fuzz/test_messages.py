"""Any message body: a message that every service behind can take, or a rejection that does not repeat the text."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.embedding.errors import RejectedMessageError
from lambdas.embedding.messages import (
    MAX_ID_LENGTH,
    MAX_METADATA_BYTES,
    OWN_PREFIX,
    TEXT_FIELD,
    Message,
    metadata_bytes,
    parse,
)
from lambdas.shared.blank import is_blank
from tests.fuzz.bounds import cpu_seconds, fuzzed

ANY_TEXT = st.text(st.characters(), max_size=60)  # halves of surrogate pairs too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from(["id", "text", "namespace", "metadata", "delete"])
OBJECTS = st.dictionaries(KEYS | ANY_TEXT, JSON, max_size=5)
# Texts that UTF-8 can hold and that show something.
TEXTS = st.text(min_size=1, max_size=80).filter(lambda text: not is_blank(text))
FIELDS = st.dictionaries(
    st.text(min_size=1, max_size=12).filter(lambda n: n[0] != "$" and n != TEXT_FIELD and not n.startswith(OWN_PREFIX)),
    st.text(max_size=30) | st.booleans() | st.integers(-(2**53), 2**53) | st.lists(st.text(max_size=8), max_size=3),
    max_size=5,
)
IDS = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=MAX_ID_LENGTH)


def parsed(body: str) -> Message | None:
    """The message, checked against what stands behind it; None when it is rejected."""
    message, refusal = None, ""
    try:
        with cpu_seconds(5):
            message = parse(body)
    except RejectedMessageError as error:
        refusal = str(error)
    if message is None:
        assert refusal.isprintable()
        assert len(refusal) < 300
        return None
    assert message.delete == is_blank(message.text)
    message.text.encode()
    assert message.id.isascii()
    assert 0 < len(message.id) <= MAX_ID_LENGTH
    assert message.namespace is None or message.namespace.isascii()
    assert metadata_bytes(message.metadata) <= MAX_METADATA_BYTES
    assert not any(name == TEXT_FIELD or name.startswith(OWN_PREFIX) for name in message.metadata)
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in message.metadata.values())
    return message


@fuzzed
@given(body=ANY_TEXT)
def test_any_text_is_a_message_or_a_rejection(body: str) -> None:
    parsed(body)


@fuzzed
@given(value=JSON | OBJECTS)
def test_any_json_is_a_message_or_a_rejection(value: Any) -> None:
    message = parsed(json.dumps(value))
    if not isinstance(value, dict):
        assert message is None


@fuzzed
@given(
    start=st.sampled_from(["[", '{"text":', '{"metadata":[', '"', "{", "[{"]), times=st.sampled_from([1, 900, 50_000])
)
def test_deep_or_unfinished_json_is_a_rejection_or_plain_text(start: str, times: int) -> None:
    parsed(start * times)


@fuzzed
@given(text=TEXTS, key=IDS | st.none(), metadata=FIELDS, space=st.sampled_from([None, 2]))
def test_what_was_sent_is_what_is_read_however_it_is_written(
    text: str, key: str | None, metadata: dict[str, Any], space: int | None
) -> None:
    value: dict[str, Any] = {"text": text, "metadata": metadata, **({} if key is None else {"id": key})}
    message = parsed(json.dumps(value))
    assert message is not None
    assert (message.text, message.metadata) == (text, metadata)
    assert message.id == (hashlib.sha256(text.encode()).hexdigest() if key is None else key)
    other_way = json.dumps(dict(reversed(value.items())), indent=space, ensure_ascii=False)
    assert parsed(other_way) == message


@fuzzed
@given(text=TEXTS.filter(lambda text: text.lstrip()[:1] not in {"{", "[", '"'}))
def test_a_plain_text_and_the_same_text_in_json_have_one_id(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        plain = parsed(text)
        assert plain is not None
        assert plain == parsed(json.dumps({"text": text}))


@fuzzed
@given(key=IDS.filter(lambda key: "#" not in key), namespace=st.none() | st.just("docs"))
def test_a_deletion_is_its_id_and_namespace(key: str, namespace: str | None) -> None:
    message = parsed(json.dumps({"id": key, "delete": True, "namespace": namespace}))
    assert message == Message(id=key, text="", namespace=namespace, delete=True)


@fuzzed
@given(value=OBJECTS)
def test_a_rejection_does_not_repeat_the_text(value: dict[str, Any]) -> None:
    secret = "the-text-of-somebody's-letter"
    with pytest.raises(RejectedMessageError) as rejected:
        parse(json.dumps({**value, "text": secret, "never a key": 1}))
    assert secret not in str(rejected.value)
