"""Search, over a real index: whose passages, of which documents, in which order, and what is shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base.retrieval.snippets import LENGTH, snippet
from sandbox.standins.faults import Fault
from tests.lambdas.knowledge_base.library import begun, indexed, shelved

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import SignedIn, World

KETTLE = "The copper kettle heats water to 95 degrees.\n\nIt whistles when the water boils."
GARDEN = "Tomatoes want sun and a lot of patience.\n\nWater them in the morning."


def found(user: SignedIn, query: str, **more: Any) -> list[dict[str, Any]]:
    answer = user.post("/search", {"query": query, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def test_the_page_that_says_it_comes_first(shared_world: World, user: SignedIn) -> None:
    document = shelved(shared_world, user, GARDEN, KETTLE, filename="house.pdf")
    results = found(user, "To how many degrees does the kettle heat?")
    assert results[0] | {"score": 0} == {
        "document_id": document,
        "filename": "house.pdf",
        "page": 2,
        "score": 0,
        "snippet": "The copper kettle heats water to 95 degrees.",
    }
    scores = [result["score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert len({(result["document_id"], result["page"]) for result in results}) == len(results)


def test_words_alone_are_found_too(shared_world: World, user: SignedIn) -> None:
    shelved(shared_world, user, "Part number XQ-7731 is a gasket.", GARDEN)
    assert found(user, "XQ-7731")[0]["page"] == 1


def test_the_same_search_has_the_same_answer(shared_world: World, user: SignedIn) -> None:
    for number in range(3):
        shelved(shared_world, user, KETTLE, GARDEN, filename=f"{number}.pdf")
    first = found(user, "kettle")
    assert len(first) >= 3
    assert all(found(user, "kettle") == first for _ in range(3))


def test_at_most_so_many_results(shared_world: World, user: SignedIn) -> None:
    shelved(shared_world, user, *(f"Kettle number {number} is here." for number in range(15)))
    assert len(found(user, "kettle")) == 10
    assert len(found(user, "kettle", limit=1)) == 1
    assert len(found(user, "kettle", limit=50)) == 15


def test_nobody_finds_what_is_another_users(shared_world: World, user: SignedIn) -> None:
    other = shared_world.user()
    theirs = shelved(shared_world, other, KETTLE)
    assert found(user, "kettle") == []
    mine = shelved(shared_world, user, KETTLE)
    assert [result["document_id"] for result in found(user, "kettle", limit=50)] == [mine]
    refused = user.post("/search", {"query": "kettle", "document_ids": [mine, theirs]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


def test_a_search_can_be_restricted_to_documents(shared_world: World, user: SignedIn) -> None:
    first, second = (shelved(shared_world, user, KETTLE) for _ in range(2))
    assert {result["document_id"] for result in found(user, "kettle")} == {first, second}
    assert {result["document_id"] for result in found(user, "kettle", document_ids=[second])} == {second}
    assert {result["document_id"] for result in found(user, "kettle", document_ids=[])} == {first, second}
    assert {result["document_id"] for result in found(user, "kettle", document_ids=None)} == {first, second}


@pytest.mark.parametrize(
    "document_id", ["x", "", "../documents", "01m8hhmpfw0r87ww8mkckthfqv", "1ee2e29f-4c53-4699-8729-66dba4d6d3e8"]
)
def test_a_document_that_is_not_there_is_404(user: SignedIn, document_id: str) -> None:
    assert user.post("/search", {"query": "kettle", "document_ids": [document_id]}).status_code == 404


def test_nothing_of_a_document_is_found_before_it_is_ready(shared_world: World, user: SignedIn) -> None:
    document = begun(shared_world, user)
    indexed(shared_world, document, KETTLE)
    assert found(user, "kettle") == []
    assert found(user, "kettle", document_ids=[document.id]) == []
    shared_world.services.documents.table.finish(document, 1)
    assert len(found(user, "kettle")) == 1


def test_nothing_of_a_run_is_found_that_another_overtook(shared_world: World, user: SignedIn) -> None:
    first = begun(shared_world, user)
    indexed(shared_world, first, KETTLE)
    table = shared_world.services.documents.table
    table.release(first)
    second = table.claim(user.id, first.id, shared_world.services.clock() + 600, uploaded=False)
    assert second is not None
    indexed(shared_world, second, GARDEN)
    assert table.finish(second, 1)
    assert {result["snippet"][:8] for result in found(user, "kettle whistles tomatoes")} == {"Tomatoes"}


def test_nothing_of_a_deleted_document_is_found(shared_world: World, user: SignedIn) -> None:
    document = shelved(shared_world, user, KETTLE)
    shared_world.services.documents.table.bury(user.id, document)  # and its passages are still there
    assert found(user, "kettle") == []
    assert user.post("/search", {"query": "kettle", "document_ids": [document]}).status_code == 404


def test_a_new_user_finds_nothing(user: SignedIn) -> None:
    assert found(user, "kettle") == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ""},
        {"query": "   \n"},
        {"query": "x" * 1_001},
        {"query": 7},
        {"query": "a\0b"},
        {"query": "\u200b\u2060\ufeff"},
        {"query": "\u202e"},
        {"query": "\x1b\x01"},
        {"query": "x", "limit": 0},
        {"query": "x", "limit": 51},
        {"query": "x", "limit": "3"},
        {"query": "x", "limit": 1.5},
        {"query": "x", "document_ids": "x"},
        {"query": "x", "document_ids": ["x"] * 51},
        {"query": "x", "user_id": "x"},
    ],
)
def test_what_is_no_search_is_refused(user: SignedIn, body: dict[str, Any]) -> None:
    answer = user.post("/search", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "query",
    [
        "x" * 1_000,
        f"  {'x' * 1_000}\n",
        '" OR 1=1 --',
        "{}[]()*?~^:\\/",
        "水を湯かす",
        "🫖",
        "the of and",
        "?!",
        "\u0301",
        "\U0001fae9",
    ],
)
def test_any_other_text_is_searched_for(shared_world: World, user: SignedIn, query: str) -> None:
    shelved(shared_world, user, KETTLE)
    found(user, query)


def test_openai_down_is_said_so(shared_world: World, user: SignedIn) -> None:
    shared_world.openai.faults.always(Fault(status=401), path="/v1/embeddings")
    try:
        answer = user.post("/search", {"query": "kettle"})
    finally:
        shared_world.openai.faults.clear()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_misconfigured")


def test_weaviate_down_is_said_so(shared_world: World, user: SignedIn) -> None:
    shelved(shared_world, user, KETTLE)
    down = shared_world.restarted(WEAVIATE_URL="http://127.0.0.1:9", WEAVIATE_GRPC_URL="http://127.0.0.1:9")
    answer = down.client.post("/search", json={"query": "kettle"}, headers=user.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "search_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


# --- snippets


def test_a_short_text_is_shown_whole_on_one_line() -> None:
    assert snippet(" a\n b\t c ", "x") == "a b c"


def test_a_snippet_is_around_the_words_that_were_looked_for() -> None:
    text = "filler words here. " * 60 + "The kettles whistled loudly at noon. " + "more filler there. " * 60
    shown = snippet(text, "when does the kettle whistle?")
    assert "kettles whistled loudly" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= LENGTH + 2
    assert shown.strip("…") in text


def test_without_a_hit_it_is_the_beginning() -> None:
    shown = snippet("Once upon a time. " * 60, "kettle")
    assert shown.startswith("Once upon")
    assert shown.endswith("…")


def test_a_hit_at_the_end_and_text_without_spaces() -> None:
    assert snippet("filler " * 100 + "kettle", "kettle").endswith("filler kettle")
    assert len(snippet("x" * 5_000, "kettle")) <= LENGTH + 2
    assert len(snippet("水" * 5_000, "水")) <= LENGTH + 2
