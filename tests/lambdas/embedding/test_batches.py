"""What a batch of messages becomes, when the services work."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sandbox.standins.pinecone.store import Record
from tests.lambdas.conftest import reasons, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lambdas.embedding.conftest import Function, HashedModel


EVENT = json.loads((Path(__file__).parent / "events" / "two_messages.json").read_text(encoding="utf-8"))
BAD_BODIES = [
    "   \n\t ",
    "",
    '{"text": "unfinished"',
    '{"text": 42}',
    '{"text": ["a"]}',
    '{"text": null}',
    "{}",
    "[1, 2]",
    '"a string"',
    "null",
    '{"text": "half a pair \\ud83d"}',
    '{"text": "a", "id": 7}',
    '{"text": "a", "id": ""}',
    '{"text": "a", "id": "größe"}',
    json.dumps({"text": "a", "id": "x" * 513}),
    '{"text": "a", "namespace": 1}',
    '{"text": "a", "metadata": "m"}',
    '{"text": "a", "metadata": {"a": {"b": 1}}}',
    '{"text": "a", "metadata": {"a": [1]}}',
    '{"text": "a", "metadata": {"a": NaN}}',
    '{"text": "a", "metadata": {"text": "mine"}}',
    '{"text": "a", "metadata": {"$a": 1}}',
    '{"text": "a", "metadata": {"n": 9007199254740993}}',
    '{"text": "a", "metdata": {}}',
    '{"text": "a", "text": "b"}',
    json.dumps({"text": "a", "metadata": {"a": "x" * 41_000}}),
    "{" * 100_000,
    "[" * 100_000,
]


def test_the_messages_of_a_real_event_become_vectors(function: Function, hashed: HashedModel) -> None:
    assert function.invoke(EVENT) == {"batchItemFailures": []}
    stored = function.stored()
    plain = "A message may also be plain text."
    key = hashlib.sha256(plain.encode()).hexdigest()
    assert stored.keys() == {"manual-1", key}
    text = "Layers are locked, built, checked and published."
    assert stored["manual-1"].values == pytest.approx(hashed.embed([text])[0], abs=1e-7)
    assert stored["manual-1"].metadata == {
        "lang": "en",
        "page": 1,
        "text": text,
        "strata_document": "manual-1",
        "strata_model": "text-embedding-3-small",
        "strata_chunk": 0,
        "strata_chunks": 1,
        "strata_sent_ms": 1_545_082_649_183,
        "strata_message": "059f36b4-87a3-44ab-83d2-661975830a7d",
    }
    assert (stored[key].metadata or {})["text"] == plain


def test_ten_messages_make_one_embeddings_call_and_one_upsert(function: Function) -> None:
    assert function.send(*(f"message {number}" for number in range(10))) == []
    assert len(function.stored()) == 10
    assert function.embeddings() == [200]
    assert function.upserts() == [200]
    assert function.openai.log.entries("/v1/embeddings")[0].detail["inputs"] == 10


def test_two_thousand_messages_still_make_one_embeddings_call(function: Function) -> None:
    assert function.send(*(f"m{number}" for number in range(2_048))) == []
    assert function.embeddings() == [200]
    assert len(function.stored()) == 2_048
    requests = function.index.log.entries("/vectors/upsert")
    assert len(requests) == 7
    assert max(entry.detail["bytes"] for entry in requests) <= 2_000_000


def test_each_namespace_gets_one_upsert(function: Function) -> None:
    bodies = [{"text": f"text {number}", "namespace": name} for number in range(3) for name in ("a", "b")]
    assert function.send(*bodies, "no namespace") == []
    assert [len(function.stored(name)) for name in ("a", "b", "")] == [3, 3, 1]
    assert function.embeddings() == [200]
    assert len(function.upserts()) == 3


def test_a_message_without_a_namespace_goes_to_the_configured_one(make_function: Callable[..., Function]) -> None:
    function = make_function(PINECONE_NAMESPACE="docs")
    assert function.send("text", {"text": "other", "namespace": ""}) == []
    assert len(function.stored("docs")) == 1
    assert len(function.stored("")) == 1


def test_a_redelivery_changes_nothing(function: Function) -> None:
    body = {"id": "same", "text": "The same message twice."}
    assert function.send(body, "and one without an id") == []
    first = {key: stored.values.tobytes() for key, stored in function.stored().items()}
    assert function.send(body, "and one without an id") == []
    assert {key: stored.values.tobytes() for key, stored in function.stored().items()} == first


def test_duplicates_within_a_batch_are_one_vector_and_embedded_once(function: Function) -> None:
    assert function.send("again", "again", {"text": "again"}, {"id": "x", "text": "again"}) == []
    assert len(function.stored()) == 2
    assert function.openai.log.entries("/v1/embeddings")[0].detail["inputs"] == 1


def test_of_two_messages_with_one_id_the_newer_wins(function: Function) -> None:
    newer = record({"id": "doc", "text": "the newer text"}, "message-0", sent_ms=2_000)
    older = record({"id": "doc", "text": "the older text"}, "message-1", sent_ms=1_000)
    assert function.invoke({"Records": [newer, older]}) == {"batchItemFailures": []}
    assert (function.stored()["doc"].metadata or {})["text"] == "the newer text"


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_bad_message_leaves_its_neighbours_alone(function: Function, body: str) -> None:
    assert function.send("first good one", body, "second good one") == [1]
    assert len(function.stored()) == 2


def test_a_body_with_a_lone_surrogate_is_refused(function: Function) -> None:
    assert function.send("good", "half a pair \ud83d") == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"body": {"text": "x"}},
        {"body": 5},
        {"body": None},
        {"body": '{"Type": [], "x": 1}'},
        {"attributes": None},
        {"attributes": {"SentTimestamp": "²"}},
        {"attributes": {"SentTimestamp": "9" * 5_000}},
        {"attributes": {"SentTimestamp": None, "ApproximateReceiveCount": None}},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_record_that_sqs_would_not_make_leaves_its_neighbours_alone(
    function: Function, change: dict[str, Any]
) -> None:
    answer = function.invoke({"Records": [record("good", "message-0"), record("odd", "message-1") | change]})
    assert function.failed(answer) == ([1] if "body" in change else [])
    assert hashlib.sha256(b"good").hexdigest() in function.stored()


def test_a_batch_of_bad_messages_only_is_returned_and_not_raised(function: Function) -> None:
    assert function.send("", "  ", "{") == [0, 1, 2]
    assert function.embeddings() == []


def test_an_empty_batch_is_fine(function: Function) -> None:
    assert function.invoke({"Records": []}) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        "x",
        None,
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": "x"},
        {"Records": ["x"]},
        {"Records": [{"eventSource": "aws:sqs", "body": "x"}]},
        {"test": "yes"},
    ],
)
def test_an_event_that_is_no_batch_is_an_error(function: Function, event: Any) -> None:
    with pytest.raises(ValueError, match="not an SQS event"):
        function.invoke(event)


def test_a_long_text_becomes_numbered_chunks_that_join_to_the_text(function: Function) -> None:
    text = " ".join(f"Sentence {number} of a text over the limit." for number in range(2_000))
    assert function.send({"id": "long", "text": text, "metadata": {"lang": "en"}}, "short") == []
    stored = function.stored()
    chunks = [stored[f"long#{number}"] for number in range(3)]
    assert len(stored) == 4
    assert function.embeddings() == [200]
    assert [(one.metadata or {})["strata_chunks"] for one in chunks] == [3, 3, 3]
    assert [(one.metadata or {})["strata_chunk"] for one in chunks] == [0, 1, 2]
    assert "".join(str((one.metadata or {})["text"]) for one in chunks if one.metadata) == text


def test_a_text_of_exactly_the_limit_is_one_vector_and_one_more_token_makes_two(function: Function) -> None:
    assert function.send({"id": "full", "text": " a" * 8_191}, {"id": "over", "text": " b" * 8_192}) == []
    assert function.stored().keys() == {"full", "over#0", "over#1"}


def test_a_text_too_large_for_metadata_is_left_out_and_the_vector_says_so(function: Function) -> None:
    text = ("word" + " " * 60) * 900
    assert function.send({"id": "wide", "text": text, "metadata": {"lang": "en"}}) == []
    metadata = function.stored()["wide"].metadata or {}
    assert "text" not in metadata
    assert metadata["strata_text_left_out"] is True
    assert metadata["lang"] == "en"


def test_the_usage_page_name_of_ada_is_an_alias(make_function: Callable[..., Function]) -> None:
    function = make_function(1_536, OPENAI_EMBEDDING_MODEL="text-embedding-ada-002-v2", OPENAI_EMBEDDING_DIMENSIONS="")
    assert function.send({"id": "a", "text": "text"}) == []
    assert len(function.stored()["a"].values) == 1_536
    assert (function.stored()["a"].metadata or {})["strata_model"] == "text-embedding-ada-002"


def test_an_index_of_another_dimension_is_refused_before_anything_is_paid_for(
    make_function: Callable[..., Function], caplog: pytest.LogCaptureFixture
) -> None:
    function = make_function(1_536)
    assert function.send("one", "two") == [0, 1]
    assert function.embeddings() == []
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}
    assert "vectors have 384 dimensions and the index at" in reasons(caplog)[0][1]


def test_values_arrive_as_the_float32_that_was_answered(function: Function, hashed: HashedModel) -> None:
    function.send({"id": "a", "text": "exactly"})
    assert np.array_equal(function.stored()["a"].values, hashed.embed(["exactly"])[0])


def test_a_shorter_version_of_a_document_leaves_no_old_chunks(function: Function) -> None:
    long = " ".join(f"Sentence {number} of the first version." for number in range(3_600))
    assert function.send({"id": "doc", "text": long}, {"id": "other", "text": long}) == []
    before = {key for key in function.stored() if key.startswith("other")}
    assert len(before) == 4
    assert function.send({"id": "doc", "text": long[: len(long) // 2]}) == []
    assert {key for key in function.stored() if key.startswith("doc")} == {"doc#0", "doc#1"}
    assert function.send({"id": "doc", "text": "short now"}) == []
    assert {key for key in function.stored() if key.startswith("doc")} == {"doc"}
    assert function.send({"id": "doc", "text": long}) == []
    assert {key for key in function.stored() if key.startswith("doc")} == {f"doc#{number}" for number in range(4)}
    assert {key for key in function.stored() if key.startswith("other")} == before


def test_a_vector_that_another_program_stored_is_no_leftover(function: Function) -> None:
    function.index.store.upsert("", [Record("issue#0", np.ones(384, np.float32), {"text": "number zero"})])
    assert function.send({"id": "issue", "text": "the issue itself"}) == []
    assert function.stored().keys() == {"issue", "issue#0"}


def test_the_longest_ids_are_stored_beside_others(function: Function) -> None:
    assert function.send({"id": "x" * 512, "text": "one"}, {"id": "y" * 510, "text": "a " * 9_000}, "three") == []
    assert len(function.stored()) == 4


def test_a_million_spaces_do_not_take_their_neighbours_down(function: Function) -> None:
    assert function.send("good neighbour", {"id": "wide", "text": f"x{' ' * 1_000_000}y"}) == []
    assert sorted(function.stored())[1:] == ["wide#0", "wide#1"], "what is white space alone has no vector"


def test_a_batch_is_looked_up_by_one_request_a_look(function: Function) -> None:
    """Whether they were deleted since they were sent, what is there before the upsert, and what is there after it."""
    batches: list[list[Any]] = [
        [{"id": f"document {number}", "text": f"named {number}"} for number in range(10)],
        [f"plain {number}" for number in range(10)],
    ]
    for bodies in batches:
        function.index.log.clear()
        assert function.send(*bodies) == []
        assert len(function.index.log.entries("/vectors/fetch")) == 3
        assert function.upserts() == [200]
