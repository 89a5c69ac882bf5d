"""The Pinecone stand-in, asked by the real client over a socket."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from pinecone import Pinecone
from pinecone.exceptions import PineconeApiException

from sandbox.standins.pinecone.server import DEFAULT_KEY, IndexSpec, PineconeState, create_app
from sandbox.standins.serving import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinecone import Index

FILMS = {
    "alien": ([1.0, 0.0, 0.0], {"genre": "horror", "year": 1979, "tags": ["space", "ship"], "seen": True}),
    "amelie": ([0.0, 1.0, 0.0], {"genre": "comedy", "year": 2001, "tags": ["paris"], "seen": False}),
    "solaris": ([0.9, 0.1, 0.0], {"genre": "drama", "year": 1972, "tags": ["space"]}),
    "heat": ([0.0, 0.0, 2.0], {"genre": "crime", "year": 1995}),
}


@pytest.fixture
def state() -> PineconeState:
    return PineconeState(IndexSpec(dimension=3))


@pytest.fixture
def server(state: PineconeState) -> Iterator[Server]:
    with Server(create_app(state)) as running:
        yield running


@pytest.fixture
def index(server: Server) -> Index:
    return Pinecone(api_key=DEFAULT_KEY).Index(host=server.url)  # type: ignore[return-value]  # no gRPC asked for


@pytest.fixture
def films(index: Index) -> Index:
    index.upsert(vectors=[{"id": key, "values": v, "metadata": m} for key, (v, m) in FILMS.items()], namespace="films")
    return index


def post(server: Server, path: str, body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, headers={"api-key": DEFAULT_KEY})


def found(index: Index, condition: Any) -> set[str]:
    answer = index.query(vector=[1.0, 1.0, 1.0], top_k=10, namespace="films", filter=condition)
    return {match.id for match in answer.matches}


def test_the_score_is_the_cosine(films: Index) -> None:
    answer = films.query(vector=[1.0, 0.0, 0.0], top_k=3, namespace="films", include_metadata=True, include_values=True)
    assert [match.id for match in answer.matches] == ["alien", "solaris", "amelie"]
    assert [match.score for match in answer.matches] == pytest.approx([1, 0.9 / np.hypot(0.9, 0.1), 0], abs=1e-6)
    assert answer.matches[0].metadata == FILMS["alien"][1]
    assert answer.matches[0].values == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(("metric", "best", "score"), [("dotproduct", "b", 4.0), ("euclidean", "a", 0.0)])
def test_the_other_metrics_rank_their_own_way(metric: str, best: str, score: float) -> None:
    with Server(create_app(PineconeState(IndexSpec(dimension=2, metric=metric)))) as server:
        index = Pinecone(api_key=DEFAULT_KEY).Index(host=server.url)
        index.upsert(vectors=[("a", [1.0, 1.0]), ("b", [2.0, 2.0])])
        first = index.query(vector=[1.0, 1.0], top_k=2).matches[0]
        assert (first.id, first.score) == (best, pytest.approx(score))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"genre": "horror"}, {"alien"}),
        ({"genre": {"$eq": "horror"}}, {"alien"}),
        ({"genre": {"$ne": "horror"}}, {"amelie", "solaris", "heat"}),
        ({"genre": {"$in": ["horror", "crime"]}}, {"alien", "heat"}),
        ({"genre": {"$nin": ["horror", "crime"]}}, {"amelie", "solaris"}),
        ({"tags": "space"}, {"alien", "solaris"}),
        ({"tags": {"$in": ["paris", "ship"]}}, {"alien", "amelie"}),
        ({"tags": {"$exists": False}}, {"heat"}),
        ({"year": {"$gt": 1979}}, {"amelie", "heat"}),
        ({"year": {"$gte": 1979, "$lt": 2001}}, {"alien", "heat"}),
        ({"year": {"$lte": 1972}}, {"solaris"}),
        ({"seen": True}, {"alien"}),
        ({"seen": {"$eq": 1}}, set()),
        ({"genre": {"$gt": 3}}, set()),
        ({"$or": [{"genre": "crime"}, {"tags": "paris"}]}, {"heat", "amelie"}),
        ({"$and": [{"tags": "space"}, {"year": {"$lt": 1975}}]}, {"solaris"}),
        ({"tags": "space", "seen": True}, {"alien"}),
    ],
)
def test_metadata_filters(films: Index, condition: Any, expected: set[str]) -> None:
    assert found(films, condition) == expected


@pytest.mark.parametrize(
    "condition",
    [{"a": {"$near": 1}}, {"$not": []}, {"a": {"$in": "x"}}, {"a": {"$gt": "x"}}, {"$or": []}, {"a": {}}, {"a": [1]}],
)
def test_a_wrong_filter_is_refused_though_nothing_is_stored(server: Server, condition: Any) -> None:
    answer = post(server, "/query", {"vector": [1, 1, 1], "topK": 1, "filter": condition})
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_an_upsert_replaces_the_vector_of_its_id(films: Index) -> None:
    films.upsert(vectors=[("alien", [0.0, 0.0, 1.0])], namespace="films")
    vector = films.fetch(ids=["alien", "missing"], namespace="films").vectors
    assert vector.keys() == {"alien"}
    assert vector["alien"].values == [0.0, 0.0, 1.0]
    assert vector["alien"].metadata is None


def test_namespaces_are_apart_and_counted(films: Index) -> None:
    films.upsert(vectors=[("one", [1.0, 2.0, 3.0])])
    stats = films.describe_index_stats()
    assert {name: one.vector_count for name, one in stats.namespaces.items()} == {"films": 4, "__default__": 1}
    assert (stats.total_vector_count, stats.dimension, stats.metric) == (5, 3, "cosine")


def test_ids_are_listed_by_prefix_and_in_pages(index: Index) -> None:
    ids = [f"doc#{number:03}" for number in range(150)]
    index.upsert(vectors=[(key, [1.0, 0.0, 0.0]) for key in [*ids, "other"]])
    assert [item.id for page in index.list(prefix="doc#") for item in page] == ids
    assert [item.id for item in index.list_paginated(prefix="doc#", limit=2).vectors] == ids[:2]


def test_update_merges_metadata(films: Index) -> None:
    films.update(id="heat", set_metadata={"seen": True}, namespace="films")
    assert films.fetch(ids=["heat"], namespace="films").vectors["heat"].metadata == FILMS["heat"][1] | {"seen": True}


def test_delete_by_ids_by_filter_and_of_all(films: Index) -> None:
    films.delete(ids=["alien", "missing"], namespace="films")
    assert found(films, None) == {"amelie", "solaris", "heat"}
    films.delete(filter={"year": {"$lt": 2000}}, namespace="films")
    assert found(films, None) == {"amelie"}
    films.delete(delete_all=True, namespace="films")
    assert films.describe_index_stats().namespaces == {}


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        ({"id": "a", "values": [1, 2]}, "Vector dimension 2 does not match the dimension of the index 3"),
        ({"id": "a", "values": [0, 0, 0]}, "non-zero"),
        ({"id": "a", "values": ["x", 0, 0]}, "list of numbers"),
        ({"id": "a", "values": [1e300, 0, 1]}, "finite"),
        ({"id": "", "values": [1, 2, 3]}, "non-empty"),
        ({"id": "ü", "values": [1, 2, 3]}, "ASCII"),
        ({"id": "a" * 513, "values": [1, 2, 3]}, "512"),
        ({"id": "a", "values": [1, 2, 3], "metadata": {"a": {"b": 1}}}, "for field 'a'"),
        ({"id": "a", "values": [1, 2, 3], "metadata": {"a": [1]}}, "for field 'a'"),
        ({"id": "a", "values": [1, 2, 3], "metadata": {"a": "x" * 41_000}}, "40960 bytes"),
    ],
)
def test_a_vector_that_is_not_right_stops_the_whole_request(server: Server, vector: Any, message: str) -> None:
    good = {"id": "good", "values": [1, 2, 3]}
    answer = post(server, "/vectors/upsert", {"vectors": [good, vector]})
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert post(server, "/describe_index_stats", {}).json()["totalVectorCount"] == 0


def test_a_1000_vectors_pass_and_1001_do_not(server: Server) -> None:
    vectors = [{"id": str(number), "values": [1, 2, 3]} for number in range(1001)]
    assert post(server, "/vectors/upsert", {"vectors": vectors[:1000]}).json() == {"upsertedCount": 1000}
    assert post(server, "/vectors/upsert", {"vectors": vectors}).status_code == 400


def test_a_request_over_2_mb_is_too_large(server: Server) -> None:
    vectors = [{"id": str(number), "values": [1, 2, 3], "metadata": {"t": "x" * 40_000}} for number in range(53)]
    assert post(server, "/vectors/upsert", {"vectors": vectors}).status_code == 413
    assert post(server, "/vectors/upsert", {"vectors": vectors[:50]}).status_code == 200


def test_a_rotated_key_is_refused(films: Index, state: PineconeState) -> None:
    state.keys.rotate("pc-new")
    with pytest.raises(PineconeApiException) as caught:
        films.describe_index_stats()
    assert caught.value.status_code == 401


def test_the_index_is_found_by_its_name(server: Server, films: Index) -> None:
    client = Pinecone(api_key=DEFAULT_KEY, host=server.url)
    assert client.Index("strata").describe_index_stats().total_vector_count == 4
    with pytest.raises(PineconeApiException) as caught:
        client.indexes.describe("other")
    assert caught.value.status_code == 404


def test_an_acknowledged_upsert_outlives_a_killed_server(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    key_file = tmp_path / "key"
    key_file.write_text(DEFAULT_KEY)
    arguments = ["--data", str(tmp_path / "data"), "--port-file", str(port_file), "--key-file", str(key_file)]
    arguments += ["--options", '{"dimension": 3, "on_disk": true}']

    def start() -> tuple[subprocess.Popen[bytes], str]:
        port_file.unlink(missing_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.standins", "pinecone", *arguments], stdout=subprocess.DEVNULL
        )
        end = time.monotonic() + 100
        while not port_file.exists() and time.monotonic() < end:
            time.sleep(0.02)
        return process, f"http://127.0.0.1:{port_file.read_text()}"

    process, url = start()
    try:
        index = Pinecone(api_key=DEFAULT_KEY).Index(host=url)
        index.upsert(vectors=[{"id": "kept", "values": [0.1, 0.2, 0.3], "metadata": {"n": 1}}], namespace="x")
        index.upsert(vectors=[("gone", [1.0, 2.0, 3.0])], namespace="x")
        index.delete(ids=["gone"], namespace="x")
        process.kill()
        process.wait()
        process, url = start()
        vectors = Pinecone(api_key=DEFAULT_KEY).Index(host=url).fetch(ids=["kept", "gone"], namespace="x").vectors
        assert vectors.keys() == {"kept"}
        assert vectors["kept"].values == pytest.approx([0.1, 0.2, 0.3])
        assert vectors["kept"].metadata == {"n": 1}
    finally:
        process.kill()
        process.wait()
