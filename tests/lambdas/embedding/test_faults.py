"""What happens to a batch when OpenAI or Pinecone misbehaves, over the wire and with the real clients."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sandbox.standins.faults import Fault
from sandbox.standins.pinecone.store import Record
from tests.lambdas.conftest import reasons
from tests.lambdas.embedding.conftest import OPENAI_KEY, PINECONE_KEY, Function, HashedModel
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

EMBEDDINGS, STATS = "/v1/embeddings", "/describe_index_stats"
UPSERT, FETCH, DELETE = "/vectors/upsert", "/vectors/fetch", "/vectors/delete"
BROKEN_ANSWERS = [
    "<html>Bad gateway</html>",
    '{"data": [',
    "{}",
    "[]",
    "null",
    '{"object": "list", "model": "m", "data": [], "usage": {"prompt_tokens": 1, "total_tokens": 1}}',
    '{"data": [{"object": "embedding", "index": 0, "embedding": "AAAA"}]}',
    '{"data": [{"object": "embedding", "index": 0, "embedding": "not base64!"}]}',
    '{"data": [{"object": "embedding", "index": 0, "embedding": "AAAAAA=="}]}',
    '{"data": [{"object": "embedding", "index": 0, "embedding": [1.0, "x"]}]}',
    f'{{"data": [{{"object": "embedding", "index": 0, "embedding": [{10**400}]}}]}}',
    '{"data": [{"object": "embedding", "index": 1, "embedding": [1.0]}]}',
    '{"data": [{"object": "embedding", "embedding": [1.0]}]}',
    '{"data": 7}',
]


def openai_refusal(**error: Any) -> Fault:
    body = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None} | error}
    return Fault(status=400, body=json.dumps(body))


def warm(function: Function) -> None:
    """Get the first batch's imports, connections and dimension check out of the way of a time measurement."""
    assert function.send("warm") == []
    function.openai.log.clear()
    function.index.log.clear()


# --- OpenAI


def test_a_short_retry_after_is_waited_for(function: Function) -> None:
    warm(function)
    function.openai.faults.script(Fault(status=429, headers={"retry-after": "1"}))
    started = time.monotonic()
    assert function.send("text") == []
    assert time.monotonic() - started >= 1
    assert function.embeddings() == [429, 200]


def test_a_retry_after_beyond_the_deadline_fails_at_once(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    warm(function)
    function.openai.faults.script(Fault(status=429, headers={"retry-after": "60"}))
    started = time.monotonic()
    assert function.send("one", "two", seconds=30) == [0, 1]
    assert time.monotonic() - started < 25
    assert function.embeddings() == [429]
    assert reasons(caplog)[0][0] == "unavailable"
    assert function.send("one", "two") == []


@pytest.mark.parametrize("asked", ["500", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_retry_after_of_any_form_is_understood(function: Function, asked: str) -> None:
    warm(function)
    function.openai.faults.always(Fault(status=429, headers={"retry-after": asked}))
    started = time.monotonic()
    assert function.send("text", seconds=30) == [0]
    assert time.monotonic() - started < 25


def test_500s_are_retried(function: Function) -> None:
    function.openai.faults.script(Fault(status=500), Fault(status=503))
    assert function.send("text") == []
    assert function.embeddings() == [500, 503, 200]


def test_500s_without_end_fail_the_batch_after_the_configured_retries_and_one_check(
    make_function: Callable[..., Function],
) -> None:
    function = make_function(OPENAI_MAX_RETRIES="1")
    function.openai.faults.always(Fault(status=500))
    assert function.send("one", "two") == [0, 1]
    assert function.embeddings() == [500, 500, 500]
    assert function.upserts() == []


def test_timeouts_are_retried_and_then_fail_the_batch(
    make_function: Callable[..., Function], caplog: pytest.LogCaptureFixture
) -> None:
    function = make_function(OPENAI_TIMEOUT="0.5", OPENAI_MAX_RETRIES="1")
    function.openai.faults.always(Fault(delay_seconds=60))
    started = time.monotonic()
    assert function.send("text") == [0]
    assert time.monotonic() - started < 25
    assert reasons(caplog) == [("unavailable", "OpenAI: APITimeoutError")]
    function = make_function()  # half a second is less than a busy machine may take
    function.openai.faults.clear()
    assert function.send("text") == []


@pytest.mark.parametrize("drop", ["before", "after", "body"])
def test_a_dropped_connection_is_retried(function: Function, drop: Any) -> None:
    function.openai.faults.script(Fault(drop=drop))
    assert function.send("text") == []
    assert len(function.stored()) == 1


@pytest.mark.parametrize("body", BROKEN_ANSWERS, ids=range(len(BROKEN_ANSWERS)))
def test_an_answer_that_is_none_is_asked_for_again(function: Function, body: str) -> None:
    function.openai.faults.script(Fault(body=body))
    assert function.send("text") == []


@pytest.mark.parametrize("body", BROKEN_ANSWERS, ids=range(len(BROKEN_ANSWERS)))
def test_an_answer_that_is_none_fails_the_batch_and_not_the_function(
    make_function: Callable[..., Function], caplog: pytest.LogCaptureFixture, body: str
) -> None:
    function = make_function(OPENAI_MAX_RETRIES="0")
    function.openai.faults.always(Fault(body=body))
    assert function.send("one", "two") == [0, 1]
    assert {reason for reason, _ in reasons(caplog)} == {"unavailable"}
    assert function.stored() == {}


def test_plain_numbers_instead_of_base64_are_taken(function: Function, hashed: HashedModel) -> None:
    vector = [float(value) for value in hashed.embed(["text"])[0]]
    answer = {"data": [{"object": "embedding", "index": 0, "embedding": vector}], "model": "m"}
    function.openai.faults.script(Fault(body=json.dumps(answer)))
    assert function.send({"id": "a", "text": "text"}) == []
    assert function.stored()["a"].values.tolist() == pytest.approx(vector)


def test_vectors_of_another_length_are_a_configuration_error(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    answer = {"data": [{"object": "embedding", "index": 0, "embedding": [0.5] * 8}], "model": "m"}
    function.openai.faults.script(Fault(body=json.dumps(answer)))
    assert function.send("text") == [0]
    assert reasons(caplog)[0][0] == "configuration"
    assert "answered 8 dimensions instead of 384" in reasons(caplog)[0][1]


def test_a_refused_model_is_nobodys_message(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    function.openai.faults.always(openai_refusal(param="dimensions", message="dimensions are wrong"))
    assert function.send("a", "b", "c", "d") == [0, 1, 2, 3]
    assert function.embeddings() == [400]
    assert {reason for reason, _ in reasons(caplog)} == {"configuration"}


def test_an_unknown_address_is_a_configuration_error(
    make_function: Callable[..., Function], caplog: pytest.LogCaptureFixture
) -> None:
    function = make_function()
    function.openai.faults.script(Fault(status=404, body='{"error": {"message": "no such model"}}'))
    assert function.send("a", "b") == [0, 1]
    assert reasons(caplog)[0][0] == "configuration"


def test_nobody_listening_fails_the_batch(
    make_function: Callable[..., Function], caplog: pytest.LogCaptureFixture
) -> None:
    function = make_function(OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_MAX_RETRIES="1")
    assert function.send("text") == [0]
    assert reasons(caplog) == [("unavailable", "OpenAI: APIConnectionError")]


# --- the deadline


def test_without_time_nothing_is_begun(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    assert function.send("one", "two", seconds=4) == [0, 1]
    assert function.embeddings() == []
    assert {reason for reason, _ in reasons(caplog)} == {"out of time"}


@pytest.mark.parametrize(
    "fault", [Fault(delay_seconds=60), Fault(status=500), Fault(drop="before"), Fault(status=429)], ids=str
)
def test_the_answer_comes_before_the_function_is_stopped(function: Function, fault: Fault) -> None:
    warm(function)
    function.openai.faults.always(fault)
    with Stopwatch() as lived:
        assert function.send("one", "two", seconds=10) == [0, 1]
    assert lived.seconds < 10
    function.openai.faults.clear()


def test_a_slow_index_is_given_up_in_time(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    warm(function)
    function.index.faults.always(Fault(delay_seconds=60), path=UPSERT)
    with Stopwatch() as lived:
        assert function.send("text", seconds=9) == [0]
    assert lived.seconds < 9
    assert reasons(caplog)[0][0] in {"unavailable", "out of time"}


class _Dripping(BaseHTTPRequestHandler):
    """Answers a byte now and then, so that no read ever times out."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(300):
                self.wfile.write(b" ")
                time.sleep(0.2)

    def do_GET(self) -> None:
        self.do_POST()


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "PINECONE_INDEX_HOST"])
def test_an_answer_that_drips_is_left_behind_in_time(
    make_function: Callable[..., Function], caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    warm(make_function())
    with ThreadingHTTPServer(("127.0.0.1", 0), _Dripping) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        function = make_function(**{variable: f"http://127.0.0.1:{server.server_port}/v1"})
        with Stopwatch() as lived:
            assert function.send("one", "two", seconds=10) == [0, 1]
        assert lived.seconds < 10
        server.shutdown()
    assert {reason for reason, _ in reasons(caplog)} == {"out of time"}
    assert make_function().send("one", "two") == []


# --- Pinecone


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(status=429, headers={"retry-after": "0.3"}), Fault(drop="before")], ids=str
)
def test_the_index_is_tried_again(function: Function, fault: Fault) -> None:
    function.index.faults.script(fault, path=UPSERT)
    assert function.send("text") == []
    assert len(function.stored()) == 1


@pytest.mark.parametrize("fault", [Fault(drop="after"), Fault(drop="body"), Fault(body='{"upserted')], ids=str)
def test_an_upsert_whose_answer_was_lost_is_made_again_and_changes_nothing(function: Function, fault: Fault) -> None:
    function.index.faults.script(fault, path=UPSERT)
    assert function.send({"id": "a", "text": "text"}) == []
    assert function.stored().keys() == {"a"}
    assert len(function.upserts()) == 2


def test_a_retry_after_of_the_index_beyond_the_deadline_fails_at_once(function: Function) -> None:
    warm(function)
    function.index.faults.always(Fault(status=429, headers={"retry-after": "50"}), path=UPSERT)
    started = time.monotonic()
    assert function.send("text", seconds=30) == [0]
    assert time.monotonic() - started < 25
    assert function.upserts() == [429]


def test_an_index_that_stays_down_is_tried_four_times(function: Function) -> None:
    function.index.faults.always(Fault(status=500), path=UPSERT)
    assert function.send("text") == [0]
    assert function.upserts() == [500] * 4


def test_an_index_that_is_down_before_anything_is_embedded_costs_no_embeddings(function: Function) -> None:
    function.index.faults.always(Fault(status=500), path=STATS)
    assert function.send("text") == [0]
    assert function.embeddings() == []


def test_a_vector_that_the_index_refuses_leaves_its_neighbours_alone(function: Function) -> None:
    refuse = Fault(status=400, body='{"code": 3, "message": "bad vector", "details": []}')
    function.index.faults.script(refuse, refuse, refuse, None, None, path=UPSERT)
    assert function.send("a", "b", "c", "d", "e") == [0]
    assert len(function.stored()) == 4


def test_one_namespace_that_fails_leaves_the_others_alone(function: Function) -> None:
    function.index.faults.script(*[Fault(status=500)] * 4, path=UPSERT)
    assert function.send({"text": "a", "namespace": "x"}, {"text": "b", "namespace": "y"}) == [0]
    assert function.stored("x") == {}
    assert len(function.stored("y")) == 1


def test_a_document_that_was_stored_in_part_leaves_nothing_when_it_is_replaced(function: Function) -> None:
    function.index.faults.script(*[Fault(status=500)] * 4, path=UPSERT)
    # 1,000 vectors or 2 MB are a request: this document takes two.
    assert function.send({"id": "doc", "text": "1" * 1_000_000, "metadata": {"note": "x" * 40_000}}) == [0]
    assert function.send({"id": "doc", "text": "version two"}) == []
    assert function.stored().keys() == {"doc"}


def test_a_refused_chunk_ends_its_document_and_no_other(function: Function) -> None:
    refuse = Fault(status=400, body='{"code": 3, "message": "bad vector", "details": []}')
    # All five are refused; doc#0 and doc#1 are; doc#0 passes; doc#1 alone is refused; doc#2 and doc#3 are not tried.
    function.index.faults.script(refuse, refuse, None, refuse, None, path=UPSERT)
    assert function.send({"id": "doc", "text": " a" * 8_191 * 4}, "other") == [0]
    assert [key for key in function.stored() if key.startswith("doc")] == ["doc#0"]
    assert len(function.stored()) == 2


def test_leftovers_whose_deletion_was_cut_short_are_deleted_by_the_next_delivery(function: Function) -> None:
    values = np.ones(384, np.float32)
    old = [Record(f"doc#{number}", values, {"strata_document": "doc"}) for number in range(1_500)]
    function.index.store.upsert("", old)
    function.index.faults.script(None, *[Fault(status=500)] * 4, path=DELETE)
    assert function.send({"id": "doc", "text": "short now"}) == [0]
    assert len(function.stored()) == 501
    assert function.send({"id": "doc", "text": "short now"}) == []
    assert function.stored().keys() == {"doc"}


def test_an_index_that_cannot_be_looked_into_fails_the_batch(function: Function) -> None:
    function.index.faults.always(Fault(status=400), path=FETCH)
    assert function.send({"id": "a", "text": "text"}, "no id") == [0, 1]
    function.index.faults.clear()
    assert function.send({"id": "a", "text": "text"}, "no id") == []


# --- keys that are refused (with the same value still in place; tests/…/test_secrets.py has the rotation)


def test_a_refused_openai_key_fails_all_and_is_not_in_the_log(
    function: Function, caplog: pytest.LogCaptureFixture
) -> None:
    function.openai.keys.rotate("sk-somebody-elses")
    assert function.send("one", "two") == [0, 1]
    assert {reason for reason, _ in reasons(caplog)} == {"key refused"}
    assert function.embeddings() == [401]
    assert OPENAI_KEY not in caplog.text
    assert OPENAI_KEY[-4:] not in str(reasons(caplog))


def test_a_refused_pinecone_key_fails_all(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    function.index.keys.rotate("pc-somebody-elses")
    assert function.send("one", "two") == [0, 1]
    assert {reason for reason, _ in reasons(caplog)} == {"key refused"}
    assert PINECONE_KEY not in caplog.text
    function.index.keys.rotate(PINECONE_KEY)
    assert function.send("one", "two") == []
