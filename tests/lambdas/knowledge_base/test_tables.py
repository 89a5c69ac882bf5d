"""DynamoDB's items as plain values, and conditions that do not hold as answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from lambdas.knowledge_base import identifiers
from lambdas.knowledge_base.errors import BadRequestError
from lambdas.knowledge_base.tables import Table

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import World


@pytest.fixture
def table(shared_world: World) -> Table:
    return Table(shared_world.services.dynamodb, shared_world.services.settings.documents_table)


@pytest.fixture
def key() -> dict[str, str]:
    return {"user_id": uuid.uuid4().hex, "document_id": identifiers.new()}


def test_values_come_back_as_they_went(table: Table, key: dict[str, str]) -> None:
    item = {
        **key,
        "text": "ä\x00\U0001f600",
        "empty": "",
        "whole": 2**53 + 1,
        "part": 0.1,
        "yes": True,
        "none": None,
        "bytes": b"\x00\xff",
        "list": [1, 2.5, "x", {"a": [None]}],
        "map": {"status": {"n": 1}},
    }
    assert table.put(item)
    found = table.get(key)
    assert found == item
    assert isinstance((found or {})["whole"], int)


def test_a_condition_that_does_not_hold_changes_nothing_and_is_no_exception(table: Table, key: dict[str, str]) -> None:
    assert table.put({**key, "status": "queued", "key": 1})
    assert not table.put({**key, "status": "again"}, "attribute_not_exists(document_id)")
    assert table.update(key, "SET #status = :new", "#status = :old", new="ready", old="failed") is None
    changed = table.update(
        key,
        "SET #status = :new, #key = :key, #name = :name",
        "#status = :old",
        new="ready",
        old="queued",
        key=2,
        name="n",
    )
    assert changed == {**key, "status": "ready", "key": 2, "name": "n"}
    assert not table.delete(key, "#status = :old", old="queued")
    assert table.delete(key, "#status = :condition", condition="ready")
    assert table.get(key) is None
    assert table.delete(key)


@pytest.fixture
def lossy(shared_world: World) -> Table:
    """The table over a network that loses the first answer of each write: DynamoDB has done it then."""
    services = shared_world.services
    client = services.client("dynamodb")
    lost: set[str] = set()

    def send(request: Any, **_: Any) -> None:
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        if operation not in lost:
            lost.add(operation)
            URLLib3Session().send(request)
            raise ReadTimeoutError(endpoint_url=request.url)

    for operation in ("PutItem", "UpdateItem", "DeleteItem"):
        client.meta.events.register(f"before-send.dynamodb.{operation}", send)
    return Table(client, services.settings.documents_table)


def test_a_write_whose_answer_is_lost_was_made(table: Table, lossy: Table, key: dict[str, str]) -> None:
    item = {**key, "status": "queued", "part": 0.5, "tries": {}}
    assert lossy.put(item, "attribute_not_exists(document_id)")
    changed = lossy.update(
        key,
        "SET #status = :new, tries.#t1 = :at, #error = :error REMOVE part",
        "#status = :old",
        new="ready",
        old="queued",
        at=-5,
        error={"code": "x"},
    )
    assert changed == {**key, "status": "ready", "tries": {"t1": -5}, "error": {"code": "x"}}
    assert table.get(key) == changed
    assert lossy.delete(key, "attribute_exists(document_id)")
    assert table.get(key) is None


def test_a_write_whose_answer_is_lost_and_that_was_not_made_was_not(
    table: Table, lossy: Table, key: dict[str, str]
) -> None:
    before = {**key, "status": "ready"}
    table.put(before)
    assert not lossy.put({**key, "status": "queued"}, "attribute_not_exists(document_id)")
    assert lossy.update(key, "SET #status = :new", "#status = :old", new="failed", old="queued") is None
    assert not lossy.delete(key, "#status = :old", old="queued")
    assert table.get(key) == before


def test_a_write_that_changes_nothing_is_no_success_by_itself(table: Table, key: dict[str, str]) -> None:
    table.put({**key, "status": "ready"})
    assert not table.put({**key, "status": "ready"}, "attribute_not_exists(document_id)")
    assert table.update(key, "SET #status = :new", "#status = :old", new="ready", old="queued") is None
    assert not table.delete({**key, "document_id": identifiers.new()}, "attribute_exists(document_id)")


def test_any_other_refusal_is_an_exception(shared_world: World, key: dict[str, str]) -> None:
    with pytest.raises(ClientError):
        Table(shared_world.services.dynamodb, "no-table").update(key, "SET #a = :a", a=1)


def test_a_list_is_read_to_its_end_whatever_a_filter_leaves(table: Table, key: dict[str, str]) -> None:
    user = key["user_id"]
    ids = sorted(identifiers.new() for _ in range(7))
    for number, each in enumerate(ids):
        table.put({"user_id": user, "document_id": each, "status": "ready" if number % 3 == 0 else "failed"})
    found, more = table.query(("user_id", user), limit=3, newest_first=True)
    assert ([item["document_id"] for item in found], more) == (ids[:-4:-1], True)
    rest, more = table.query(
        ("user_id", user), limit=9, newest_first=True, after={"user_id": user, "document_id": ids[4]}
    )
    assert ([item["document_id"] for item in rest], more) == (ids[3::-1], False)
    ready, more = table.query(("user_id", user), limit=2, where="#status = :status", status="ready")
    assert ([item["document_id"] for item in ready], more) == ([ids[0], ids[3]], True)
    last, more = table.query(("user_id", user), limit=3, where="#status = :status", status="ready")
    assert (len(last), more) == (3, False)


def test_ids_are_in_the_order_of_their_making_and_of_one_form() -> None:
    made = [identifiers.new() for _ in range(3_000)]
    assert made == sorted(made)
    assert len({*made}) == len(made)
    assert all(map(identifiers.valid, made))
    assert identifiers.new(lambda: 0.0).startswith("0000000000")
    assert identifiers.new(lambda: 2e9) > made[-1]
    for wrong in (
        "",
        made[0][:-1],
        made[0] + "0",
        made[0].upper(),
        "8" + made[0][1:],
        "i" * 26,
        made[0] + "\n",
        "é" * 26,
    ):
        assert not identifiers.valid(wrong), wrong


def test_a_cursor_is_of_one_list() -> None:
    last = identifiers.new()
    cursor = identifiers.cursor("documents/a", last)
    assert identifiers.position("documents/a", cursor) == last
    assert identifiers.position("documents/a", None) is None
    assert "=" not in cursor
    for scope, text in (("documents/b", cursor), ("sessions/a", cursor), ("documents/a", cursor + "A"), ("a", "")):
        with pytest.raises(BadRequestError) as refused:
            identifiers.position(scope, text)
        assert refused.value.code == "bad_cursor"
