"""Versions of one document in any order, at once, again and in parts; and deletions among them."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding import handler
from lambdas.embedding.pipeline import Delivery
from lambdas.shared.deadline import Deadline
from sandbox.standins.faults import Fault
from sandbox.standins.pinecone.store import Record
from tests.lambdas.conftest import record

if TYPE_CHECKING:
    from tests.lambdas.embedding.conftest import Function

UPSERT, FETCH, DELETE = "/vectors/upsert", "/vectors/fetch", "/vectors/delete"
MARKS = "strata-deleted"
LONG = " ".join(f"Sentence {number} of a version." for number in range(3_600))


def at(sent_ms: int, body: Any, message_id: str = "", *, received: int = 1) -> dict[str, Any]:
    return record(body, message_id or f"message-{sent_ms}", sent_ms=sent_ms, received=received)


def deliver(function: Function, *records: dict[str, Any]) -> list[str]:
    """One batch; the ids of the messages that failed."""
    answer = function.invoke({"Records": list(records)})
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def text_of(function: Function, key: str = "doc", namespace: str = "") -> Any:
    return (function.stored(namespace)[key].metadata or {})["text"]


def metric(capsys: pytest.CaptureFixture[str], name: str) -> list[float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line[name][0] for line in lines if "_aws" in line]


# --- fault 6: the newer version wins


def test_an_older_version_that_comes_later_is_left_out_and_counted(
    function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    assert deliver(function, at(2_000, {"id": "doc", "text": "new"})) == []
    assert deliver(function, at(1_000, {"id": "doc", "text": "old"}, received=3), at(1_000, "another", "m-2")) == []
    assert text_of(function) == "new"
    assert metric(capsys, "MessagesOutdated") == [0.0, 1.0]
    assert len(function.stored()) == 2


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("sizes", [("one", "two", "three"), (LONG, "short", LONG[:60_000]), ("short", LONG, "shorter")])
def test_three_versions_in_any_order_leave_the_newest_alone(
    function: Function, order: tuple[int, ...], sizes: tuple[str, ...]
) -> None:
    for number in order:
        text = f"version {number} {sizes[number]}"
        assert deliver(function, at(1_000 + number, {"id": "doc", "text": text})) == []
    versions = {(stored.metadata or {})["strata_sent_ms"] for stored in function.stored().values()}
    assert versions == {1_002}
    parts = sorted(function.stored().items(), key=lambda item: (item[1].metadata or {})["strata_chunk"])
    assert "".join((stored.metadata or {})["text"] for _, stored in parts) == f"version 2 {sizes[2]}"


def test_two_versions_of_one_millisecond_end_alike_whatever_their_order(function: Function) -> None:
    one, two = (at(1_000, {"id": "doc", "text": name}, f"message-{name}") for name in ("a", "b"))
    for order in ((one, two), (two, one)):
        function.index.store.delete("", list(function.stored()))
        for message in order:
            assert deliver(function, message) == []
        assert text_of(function) == "b"


def test_metadata_of_a_text_without_an_id_has_versions_too(function: Function) -> None:
    assert deliver(function, at(2_000, {"text": "same", "metadata": {"page": 2}})) == []
    assert deliver(function, at(1_000, {"text": "same", "metadata": {"page": 1}})) == []
    (stored,) = function.stored().values()
    assert (stored.metadata or {})["page"] == 2


def key_of(text: str) -> str:
    """The id of a text that comes without one."""
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ({"text": "same", "metadata": {"page": 2}}, "same"),
        ("same", {"text": "same", "metadata": {"page": 2}}),
        ({"id": key_of("same"), "text": "another"}, "same"),
        ("same", {"id": key_of("same"), "text": "another"}),
        ({"id": key_of(LONG), "text": "short"}, LONG),
        ({"id": key_of("short"), "text": LONG}, "short"),
        (LONG, {"id": key_of(LONG), "text": "short"}),
        ("short", {"id": key_of("short"), "text": LONG}),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("newer_first", [True, False])
def test_a_text_whose_id_is_its_hash_has_versions_like_any_other(
    function: Function, newer: Any, older: Any, *, newer_first: bool
) -> None:
    """Another message may give that id, or metadata: the older one overwrote the newer, or left parts of itself."""
    assert deliver(function, at(2_000, newer)) == []
    alone = {key: stored.metadata for key, stored in function.stored().items()}
    function.index.store.delete("", list(alone))
    messages = [at(2_000, newer), at(1_000, older)]
    for message in messages if newer_first else reversed(messages):
        assert deliver(function, message) == []
    assert {key: stored.metadata for key, stored in function.stored().items()} == alone


def test_a_deletion_between_two_of_one_text_leaves_the_newer(function: Function) -> None:
    assert deliver(function, at(3_000, "same")) == []
    assert deliver(function, at(1_000, "same")) == []
    assert deliver(function, at(2_000, {"id": key_of("same"), "delete": True})) == []
    assert function.stored().keys() == {key_of("same")}


def test_a_document_without_a_version_is_older_than_any(function: Function) -> None:
    old = [Record(f"doc#{number}", np.ones(384, np.float32), {"strata_document": "doc"}) for number in range(3)]
    function.index.store.upsert("", old)
    assert deliver(function, at(1, {"id": "doc", "text": "with a version"})) == []
    assert function.stored().keys() == {"doc"}


def test_an_older_version_is_not_stored_when_its_upsert_is_tried_again(function: Function) -> None:
    """The newer version comes while the older waits between two tries."""
    assert function.send("warm") == []
    function.index.faults.script(Fault(status=503, headers={"retry-after": "1.5"}), path=UPSERT)
    older = handler._pipeline.__wrapped__()
    thread = threading.Thread(
        target=older.run, args=([Delivery("old", '{"id": "doc", "text": "old"}', 1_000)], Deadline.after(30))
    )
    thread.start()
    while not [status for status in function.upserts() if status == 503]:
        time.sleep(0.01)
    assert deliver(function, at(2_000, {"id": "doc", "text": "new"})) == []
    thread.join()
    assert text_of(function) == "new"


def test_an_older_version_that_is_being_stored_when_the_newer_one_looks_is_overwritten_again(
    function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked and found nothing; the older one's upsert arrives second, and the newer one looks once more."""
    assert function.send("warm") == []
    older, newer = handler._pipeline.__wrapped__(), handler._pipeline()
    has_looked, may_store = threading.Event(), threading.Event()
    upsert: Any = older._index.upsert
    overwritten = newer._documents._overwritten

    def upsert_later(*given: Any) -> None:
        *rest, look = given

        def looked(fetch: Any) -> None:
            look(fetch)
            has_looked.set()
            assert may_store.wait(100)

        upsert(*rest, looked)

    def overwritten_after_the_older(*given: Any) -> set[str]:
        may_store.set()
        thread.join(100)
        return overwritten(*given)

    monkeypatch.setattr(older._index, "upsert", upsert_later)
    monkeypatch.setattr(newer._documents, "_overwritten", overwritten_after_the_older)
    thread = threading.Thread(
        target=older.run, args=([Delivery("old", '{"id": "doc", "text": "old"}', 1_000)], Deadline.after(200))
    )
    thread.start()
    assert has_looked.wait(100)
    assert deliver(function, at(2_000, {"id": "doc", "text": "new"})) == []
    assert not thread.is_alive()
    assert text_of(function) == "new"
    assert function.upserts() == [200] * 4, "the warm one, the newer, the older, the newer once more"


def test_a_newer_version_that_was_stored_in_part_is_finished_and_not_undone(function: Function) -> None:
    big = {"id": "doc", "text": "1" * 1_500_000, "metadata": {"note": "x" * 40_000}}
    function.index.faults.script(None, *[Fault(status=500)] * 4, path=UPSERT)
    assert deliver(function, at(2_000, big)) == ["message-2000"]
    assert deliver(function, at(1_000, {"id": "doc", "text": "old"})) == []
    assert "doc" not in function.stored()
    assert deliver(function, at(2_000, big, received=2)) == []
    assert {(stored.metadata or {})["strata_sent_ms"] for stored in function.stored().values()} == {2_000}
    assert len(function.stored()) == (next(iter(function.stored().values())).metadata or {})["strata_chunks"]


def test_leftovers_of_a_newer_version_are_not_deleted_by_an_older(function: Function) -> None:
    assert deliver(function, at(1_000, {"id": "doc", "text": "first"})) == []
    assert deliver(function, at(3_000, {"id": "doc", "text": LONG})) == []
    before = set(function.stored())
    assert deliver(function, at(2_000, {"id": "doc", "text": "between"})) == []
    assert set(function.stored()) == before


# --- fault 18: deletions


@pytest.mark.parametrize("text", ["short", LONG], ids=["short", "long"])
@pytest.mark.parametrize("namespace", ["", "docs"])
def test_a_deletion_removes_a_document_with_all_its_parts_and_no_other(
    function: Function, capsys: pytest.CaptureFixture[str], text: str, namespace: str
) -> None:
    others = [
        {"id": "doc2", "text": LONG, "namespace": namespace},
        {"id": "doc#x", "text": "o", "namespace": namespace},
    ]
    assert function.send({"id": "doc", "text": text, "namespace": namespace}, *others) == []
    function.index.store.upsert(namespace, [Record("doc#7", np.ones(384, np.float32), {"by": "another program"})])
    assert function.send({"id": "doc", "delete": True, "namespace": namespace}) == []
    left = {key for key in function.stored(namespace) if not key.startswith("doc2#")}
    assert left == {"doc#x", "doc#7"}
    assert metric(capsys, "DocumentsDeleted") == [0.0, 1.0]


def test_deleting_what_is_not_there_is_no_error(function: Function) -> None:
    assert function.send({"id": "never was", "delete": True}, "a neighbour") == []
    assert len(function.stored()) == 1


def test_a_deletion_costs_no_embedding(function: Function) -> None:
    assert function.send({"id": "doc", "delete": True}) == []
    assert function.embeddings() == []


@pytest.mark.parametrize("text", ["short", LONG], ids=["short", "long"])
def test_an_older_version_that_comes_after_the_deletion_stays_away(
    function: Function, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert deliver(function, at(2_000, {"id": "doc", "delete": True})) == []
    assert deliver(function, at(1_000, {"id": "doc", "text": text})) == []
    assert function.stored() == {}
    assert metric(capsys, "MessagesOutdated") == [0.0, 1.0]


def test_an_older_deletion_that_comes_later_deletes_nothing(function: Function) -> None:
    assert deliver(function, at(2_000, {"id": "doc", "text": LONG})) == []
    assert deliver(function, at(1_000, {"id": "doc", "delete": True})) == []
    assert len(function.stored()) > 1
    assert function.stored(MARKS) == {}


def test_a_document_can_come_back(function: Function) -> None:
    for sent, body in enumerate([{"text": "one"}, {"delete": True}, {"text": "two"}, {"delete": True}, {"text": "3"}]):
        assert deliver(function, at(sent, {"id": "doc"} | body)) == []
    assert text_of(function) == "3"


def test_in_one_batch_the_newest_of_storing_and_deleting_counts(function: Function) -> None:
    store, delete = at(2, {"id": "doc", "text": "new"}), at(1, {"id": "doc", "delete": True})
    assert deliver(function, store, delete) == []
    assert text_of(function) == "new"
    store, delete = at(3, {"id": "doc", "text": "newer"}), at(4, {"id": "doc", "delete": True})
    assert deliver(function, store, delete) == []
    assert function.stored() == {}


def test_a_text_that_was_deleted_by_its_hash_stays_away(function: Function) -> None:
    assert deliver(function, at(1_000, "plain text")) == []
    (key,) = function.stored()
    assert deliver(function, at(2_000, {"id": key, "delete": True})) == []
    assert deliver(function, at(1_000, "plain text", received=2)) == []
    assert function.stored() == {}


@pytest.mark.parametrize("path", [UPSERT, FETCH, DELETE, "/vectors/list"])
def test_a_deletion_that_was_cut_short_is_finished_by_the_next_delivery(function: Function, path: str) -> None:
    assert deliver(function, at(1_000, {"id": "doc", "text": LONG})) == []
    function.index.faults.always(Fault(status=400), path=path)
    deletion = at(2_000, {"id": "doc", "delete": True})
    assert deliver(function, deletion) == ["message-2000"]
    function.index.faults.clear()
    assert deliver(function, deletion) == []
    assert function.stored() == {}


def test_what_an_older_version_had_stored_in_part_goes_when_it_finds_the_deletion(function: Function) -> None:
    assert deliver(function, at(2_000, {"id": "doc", "delete": True})) == []
    metadata = {"strata_document": "doc", "strata_sent_ms": 1_000, "strata_message": "message-1000"}
    function.index.store.upsert("", [Record("doc#0", np.ones(384, np.float32), metadata)])
    assert deliver(function, at(1_000, {"id": "doc", "text": LONG})) == []
    assert function.stored() == {}


def test_deletions_are_forgotten_when_no_message_can_be_older(function: Function) -> None:
    now, day = int(time.time() * 1000), 24 * 3_600_000
    old = [
        Record(name, np.ones(384, np.float32), {"strata_document": name, "strata_deleted_ms": now - days * day})
        for name, days in (("a", 16), ("b", 14))
    ]
    function.index.store.upsert(MARKS, old)
    assert deliver(function, at(1, {"id": "c", "delete": True})) == []
    names = {(stored.metadata or {})["strata_document"] for stored in function.stored(MARKS).values()}
    assert names == {"b", "c"}


def test_a_purge_that_fails_is_no_messages_business(function: Function) -> None:
    function.index.faults.always(Fault(status=400), path=DELETE)
    assert function.send({"id": "never was", "delete": True}) == []


def test_many_deletions_and_texts_share_requests(function: Function) -> None:
    assert function.send(*({"id": f"doc {number}", "text": f"text {number}"} for number in range(300))) == []
    function.index.log.clear()
    bodies: list[Any] = [{"id": f"doc {number}", "delete": True} for number in range(150)]
    assert function.send(*bodies, *({"id": f"doc {number}", "text": "changed"} for number in range(150, 300))) == []
    assert len(function.stored()) == 150
    assert len(function.upserts()) == 2
