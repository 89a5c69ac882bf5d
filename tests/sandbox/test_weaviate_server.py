"""The Weaviate stand-in and the real server, asked the same by the real client.

What the real server (1.35.2) said is kept in `weaviate_answers.json`: the stand-in has to say the same wherever the
tests run, and where a server is at hand it is asked again.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import pytest
from weaviate.exceptions import UnexpectedStatusCodeError, WeaviateQueryError
from weaviate.proto.v1 import health_weaviate_pb2, search_get_pb2, weaviate_pb2_grpc

from sandbox.standins.faults import Fault
from sandbox.standins.running import Running
from sandbox.standins.weaviate.server import VERSION
from tests.sandbox.real_weaviate import Weaviate, kinds, missing, real, stand_in
from tests.sandbox.weaviate_cases import ANSWERS, CASES, CLASS, FULL, answer, connected, seed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from weaviate import WeaviateClient

SEARCH = "/weaviate.v1.Weaviate/Search"
KNOWN: dict[str, Any] = json.loads(ANSWERS.read_text(encoding="utf-8"))
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SAID = re.compile(r'(?:failed with message |set of all errors: |details = "|response body: )(.*)', re.DOTALL)
_BEFORE = re.compile(
    r".*?(?=class |tenant not found|tenant name|could not find|knn search|query maximum|Nullstate|expected)"
)


@pytest.fixture(scope="module")
def local() -> Iterator[Weaviate]:
    with stand_in() as running:
        yield running


@pytest.fixture(scope="module", params=kinds())
def weaviate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, local: Weaviate
) -> Iterator[Weaviate]:
    if request.param == "stand-in":
        yield local
    else:
        with real(tmp_path_factory.mktemp("weaviate")) as running:
            yield running


@pytest.fixture(scope="module")
def client(weaviate: Weaviate) -> Iterator[WeaviateClient]:
    with connected(weaviate) as made:
        seed(made)
        yield made


@pytest.mark.parametrize("case", CASES)
def test_it_answers_as_the_real_server_did(client: WeaviateClient, case: str) -> None:
    assert_alike(answer(client, case), KNOWN[case])


def test_the_real_server_is_asked() -> None:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    assert "server" in kinds()


def test_every_case_has_an_answer_of_the_real_server() -> None:
    assert list(CASES) == list(KNOWN)


def test_it_says_what_version_it_answers_like(client: WeaviateClient) -> None:
    assert client.get_meta()["version"] == VERSION
    assert client.is_ready()
    assert client.is_live()


def test_a_wrong_key_is_refused_by_both_protocols(weaviate: Weaviate, client: WeaviateClient) -> None:
    with (
        pytest.raises(UnexpectedStatusCodeError, match=r"401.*unauthorized: invalid api key"),
        connected(weaviate, "x"),
    ):
        pass
    assert httpx.get(f"{weaviate.url}/v1/meta").json()["message"].startswith("anonymous access not enabled")
    with (
        grpc.insecure_channel(weaviate.grpc_url.removeprefix("http://")) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        weaviate_pb2_grpc.WeaviateStub(channel).Search(
            search_get_pb2.SearchRequest(collection=CLASS, tenant=FULL), metadata=[("authorization", "Bearer x")]
        )
    # Not UNAUTHENTICATED: whoever wants to know has to ask over HTTP.
    assert refused.value.code() is grpc.StatusCode.UNKNOWN  # type: ignore[attr-defined]
    assert refused.value.details() == "extract auth: unauthorized: invalid api key"  # type: ignore[attr-defined]


def test_what_a_client_asks_before_it_has_a_key(weaviate: Weaviate) -> None:
    assert httpx.get(f"{weaviate.url}/v1/.well-known/openid-configuration").status_code == 404
    assert httpx.get(f"{weaviate.url}/v1/.well-known/ready").status_code == 200
    with grpc.insecure_channel(weaviate.grpc_url.removeprefix("http://")) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_weaviate_pb2.WeaviateHealthCheckRequest.SerializeToString,
            response_deserializer=health_weaviate_pb2.WeaviateHealthCheckResponse.FromString,
        )
        answered = check(health_weaviate_pb2.WeaviateHealthCheckRequest(), timeout=5)
    assert answered.status == health_weaviate_pb2.WeaviateHealthCheckResponse.SERVING


def test_objects_over_http(client: WeaviateClient) -> None:
    there = client.collections.use(CLASS).with_tenant("single")
    key = there.data.insert({"text": "over HTTP", "page": 3}, vector=[1, 2, 3, 4])
    assert there.data.exists(key)
    assert there.query.bm25("http").objects[0].uuid == key
    assert there.data.delete_by_id(key)
    assert not there.data.exists(key)


# What follows is the stand-in's own.


def test_it_says_that_it_is_a_stand_in(local: Weaviate) -> None:
    assert "not Weaviate" in httpx.get(f"{local.url}/v1/.well-known/ready").headers["x-strata-stand-in"]
    with grpc.insecure_channel(local.grpc_url.removeprefix("http://")) as channel:
        method = weaviate_pb2_grpc.WeaviateStub(channel).Search
        call = method.future(search_get_pb2.SearchRequest())
        assert "not Weaviate" in str(dict(call.initial_metadata())["x-strata-stand-in"])


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(status=503), "UNAVAILABLE"),
        (Fault(status=500), "UNKNOWN"),
        (Fault(status=403), "PERMISSION_DENIED"),
        (Fault(drop="before"), "UNAVAILABLE"),
        (Fault(drop="after"), "UNAVAILABLE"),
    ],
)
def test_scripted_faults_reach_grpc(local: Weaviate, fault: Fault, code: str) -> None:
    assert local.state is not None
    local.state.faults.script(fault, path=SEARCH)
    with (
        grpc.insecure_channel(local.grpc_url.removeprefix("http://")) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        weaviate_pb2_grpc.WeaviateStub(channel).Search(search_get_pb2.SearchRequest())
    assert failed.value.code().name == code  # type: ignore[attr-defined]
    assert local.state.log.entries(SEARCH)[-1].method == "RPC"


def test_a_slow_answer_outlives_its_caller(local: Weaviate) -> None:
    assert local.state is not None
    local.state.faults.script(Fault(delay_seconds=30), path=SEARCH)
    started = time.monotonic()
    with (
        grpc.insecure_channel(local.grpc_url.removeprefix("http://")) as channel,
        pytest.raises(grpc.RpcError) as failed,
    ):
        weaviate_pb2_grpc.WeaviateStub(channel).Search(search_get_pb2.SearchRequest(), timeout=0.2)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED  # type: ignore[attr-defined]
    assert time.monotonic() - started < 25


def test_what_it_cannot_do_it_says(local: Weaviate) -> None:
    with connected(local) as client:
        client.collections.delete("Unsupported")
        client.collections.create("Unsupported")
        with pytest.raises(WeaviateQueryError, match="stand-in for Weaviate has no search with near_text"):
            client.collections.use("Unsupported").query.near_text("x")


def test_both_addresses_are_known_before_it_opens_and_after_a_restart(tmp_path: Path) -> None:
    running = Running("weaviate")
    try:
        before = running.urls
        assert set(before) == {"weaviate", "weaviate-grpc"}
        address = before["weaviate-grpc"].removeprefix("http://")
        with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as early:
            weaviate_pb2_grpc.WeaviateStub(channel).Search(search_get_pb2.SearchRequest(), timeout=5)
        assert early.value.code() is grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]
        running.open(tmp_path, {})
        running.restart()
        assert running.urls == before
        with connected(Weaviate(before["weaviate"], before["weaviate-grpc"], key=running.key)) as client:
            client.collections.create("Afterwards")
            assert client.collections.use("Afterwards").aggregate.over_all(total_count=True).total_count == 0
    finally:
        running.stop()


def test_it_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox.standins", "weaviate", "--port-file", str(tmp_path / "port")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            grpc_url = process.stdout.readline().split()[-1]
            url = process.stdout.readline().split()[-1]
            with connected(Weaviate(url, grpc_url, key="local")) as client:
                client.collections.create("Apart")
                assert client.collections.use("Apart").query.bm25("x").objects == []
        finally:
            process.kill()


def assert_alike(said: Any, known: Any) -> None:
    """Fail unless both say the same: scores within a rounding, equals in any order, sentences by what they end with."""
    if isinstance(known, dict) and "error" in known:
        assert isinstance(said, dict), said
        assert said["error"] == known["error"]
        assert _sentence(said["says"]) == _sentence(known["says"])
    elif (
        known
        and isinstance(known, list)
        and all(isinstance(each, list) and len(each) == 2 and isinstance(each[1], float) for each in known)
    ):
        _assert_hits_alike(said, known)
    elif isinstance(known, list):
        assert len(said) == len(known)
        for one, other in zip(said, known, strict=True):
            assert_alike(one, other)
    else:
        assert said == known


def _assert_hits_alike(said: Any, known: Any) -> None:
    assert [score for _, score in said] == pytest.approx([score for _, score in known], abs=2e-4)
    last = known[-1][1]
    assert dict(said).keys() - dict(known).keys() <= {page for page, score in said if abs(score - last) < 2e-4}
    scores = dict(known)
    for page, score in said:
        assert score == pytest.approx(scores.get(page, last), abs=2e-4)


def _sentence(text: str) -> str:
    """The sentence of an error, without what the server puts before it and the client around it."""
    found = _SAID.search(text)
    core = _ID.sub("ID", found.group(1) if found else text).split('"\n')[0].strip().rstrip(".")
    return _BEFORE.sub("", core.replace('\\"', '"'), count=1)
