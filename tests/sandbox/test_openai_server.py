"""The OpenAI stand-in, asked by the real client over a socket."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import openai
import pytest

from sandbox.standins.faults import Fault
from sandbox.standins.openai.minilm import MiniLM
from sandbox.standins.openai.server import DEFAULT_KEY, OpenAIState, create_app
from sandbox.standins.serving import Server
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = "text-embedding-3-small"


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


@pytest.fixture(scope="module")
def state(model: MiniLM) -> OpenAIState:
    return OpenAIState(model=model, vocabulary=vocabulary())


@pytest.fixture(scope="module")
def server(state: OpenAIState) -> Iterator[Server]:
    with Server(create_app(state)) as running:
        yield running


@pytest.fixture
def client(server: Server, state: OpenAIState) -> Iterator[openai.OpenAI]:
    state.faults.clear()
    state.log.clear()
    state.keys.rotate(DEFAULT_KEY)
    with openai.OpenAI(api_key=DEFAULT_KEY, base_url=f"{server.url}/v1", max_retries=0, timeout=60) as made:
        yield made


def refused(client: openai.OpenAI, **arguments: Any) -> openai.APIStatusError:
    given: dict[str, Any] = {"model": SMALL, "input": "text"} | arguments
    with pytest.raises(openai.APIStatusError) as caught:
        client.embeddings.create(**given)
    return caught.value


def test_384_dimensions_are_the_models_own_vectors(client: openai.OpenAI, model: MiniLM) -> None:
    texts = ["The cat sits outside.", "Grüße aus Zürich 😀"]
    answer = client.embeddings.create(model=SMALL, input=texts, dimensions=384)
    assert np.array([item.embedding for item in answer.data]) == pytest.approx(model.embed(texts), abs=2e-6)
    assert [item.index for item in answer.data] == [0, 1]
    assert answer.model == SMALL


def test_ada_is_padded_to_its_1536_dimensions_without_changing_a_cosine(client: openai.OpenAI, model: MiniLM) -> None:
    texts = ["The cat sits outside.", "A dog plays in the garden."]
    answer = client.embeddings.create(model="text-embedding-ada-002", input=texts)
    first, second = (np.array(item.embedding) for item in answer.data)
    own = model.embed(texts)
    assert len(first) == 1536
    assert float(first @ second) == pytest.approx(float(own[0] @ own[1]), abs=1e-5)
    assert answer.model == "text-embedding-ada-002-v2"


def test_fewer_dimensions_are_cut_and_normalised(client: openai.OpenAI) -> None:
    vector = client.embeddings.create(model=SMALL, input="text", dimensions=64).data[0].embedding
    assert len(vector) == 64
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


def test_floats_and_base64_carry_the_same_numbers(client: openai.OpenAI) -> None:
    packed = client.embeddings.create(model=SMALL, input="text", dimensions=384, encoding_format="base64")
    plain = client.embeddings.create(model=SMALL, input="text", dimensions=384, encoding_format="float")
    decoded = np.frombuffer(base64.b64decode(str(packed.data[0].embedding)), "<f4")
    assert decoded == pytest.approx(np.array(plain.data[0].embedding))


def test_usage_counts_real_tokens(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model=SMALL, input=["hello world", "Grüße"])
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 2 + 3


def test_token_arrays_are_the_text_they_stand_for(client: openai.OpenAI) -> None:
    text = client.embeddings.create(model=SMALL, input="hello world", dimensions=384).data[0].embedding
    tokens = client.embeddings.create(model=SMALL, input=[[15339, 1917]], dimensions=384).data[0].embedding
    assert tokens == text


def test_2048_inputs_pass_and_2049_do_not(client: openai.OpenAI) -> None:
    assert len(client.embeddings.create(model=SMALL, input=["a"] * 2048).data) == 2048
    error = refused(client, input=["a"] * 2049)
    assert (error.status_code, error.code, error.param) == (400, "array_above_max_length", "input")


def test_8192_tokens_pass_and_8193_do_not(client: openai.OpenAI) -> None:
    assert client.embeddings.create(model=SMALL, input=" a" * 8192).usage.total_tokens == 8192
    error = refused(client, input=["fine", " a" * 8193])
    assert (error.status_code, error.type) == (400, "invalid_request_error")
    assert "'input[1]': maximum input length is 8192 tokens" in error.message


def test_more_than_300000_tokens_in_all_are_refused(client: openai.OpenAI) -> None:
    error = refused(client, input=[" a" * 8000] * 38)
    assert (error.status_code, error.code) == (400, "max_tokens_per_request")
    assert "Requested 304000 tokens" in error.message


@pytest.mark.parametrize("value", ["", [], ["text", ""], [["a"]], [1.5], {"a": 1}, None, "\ud800"])
def test_an_input_that_is_no_text_is_refused(server: Server, value: Any) -> None:
    body = json.dumps({"model": SMALL, "input": value})
    answer = httpx.post(f"{server.url}/v1/embeddings", content=body, headers={"authorization": f"Bearer {DEFAULT_KEY}"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_no_json_is_refused(server: Server) -> None:
    headers = {"authorization": f"Bearer {DEFAULT_KEY}"}
    answer = httpx.post(f"{server.url}/v1/embeddings", content=b'{"model"', headers=headers)
    assert answer.status_code == 400
    assert "could not parse the JSON body" in answer.json()["error"]["message"]


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    error = refused(client, model="text-embedding-ada-002-v2")
    assert (error.status_code, error.code) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [("text-embedding-ada-002", 1536), (SMALL, 1537), (SMALL, 0), ("text-embedding-3-large", 4000)],
)
def test_dimensions_follow_the_models_rules(client: openai.OpenAI, name: str, dimensions: int) -> None:
    error = refused(client, model=name, dimensions=dimensions)
    assert (error.status_code, error.param) == (400, "dimensions")


def test_a_rotated_key_is_refused_and_not_echoed(client: openai.OpenAI, state: OpenAIState) -> None:
    state.keys.rotate("sk-another-key-of-some-length")
    error = refused(client)
    assert isinstance(error, openai.AuthenticationError)
    assert error.code == "invalid_api_key"
    assert DEFAULT_KEY not in error.message


def test_a_request_without_a_key_is_refused(server: Server) -> None:
    assert httpx.post(f"{server.url}/v1/embeddings", json={"model": SMALL, "input": "a"}).status_code == 401


def test_faults_come_in_order_and_end(client: openai.OpenAI, state: OpenAIState) -> None:
    state.faults.script(Fault(status=429, headers={"retry-after": "7"}), None, Fault(status=500))
    limited = refused(client)
    assert (limited.status_code, limited.response.headers["retry-after"]) == (429, "7")
    assert client.embeddings.create(model=SMALL, input="text").data
    assert refused(client).status_code == 500
    assert client.embeddings.create(model=SMALL, input="text").data
    assert [entry.status for entry in state.log.entries()] == [429, 200, 500, 200]


def test_a_fault_of_another_path_is_left_alone(client: openai.OpenAI, state: OpenAIState) -> None:
    state.faults.script(Fault(status=500), path="/v1/models")
    assert client.embeddings.create(model=SMALL, input="text").data
    assert state.faults.left() == 1


@pytest.mark.parametrize("drop", ["before", "after", "body"])
def test_a_dropped_connection_is_a_connection_error(client: openai.OpenAI, state: OpenAIState, drop: Any) -> None:
    state.faults.script(Fault(drop=drop))
    with pytest.raises(openai.APIConnectionError):
        client.embeddings.create(model=SMALL, input=["one", "two"])
    deadline = time.monotonic() + 60
    while not state.log.entries() and time.monotonic() < deadline:
        time.sleep(0.01)
    entry = state.log.entries()[0]
    assert entry.status is None
    assert entry.detail.get("inputs") == (None if drop == "before" else 2)


def test_a_delay_longer_than_the_timeout_is_a_timeout(client: openai.OpenAI, state: OpenAIState) -> None:
    state.faults.script(Fault(delay_seconds=250))
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.1).embeddings.create(model=SMALL, input="text")
    end = time.monotonic() + 100
    while not state.log.entries() and time.monotonic() < end:
        time.sleep(0.01)
    assert [entry.status for entry in state.log.entries()] == [None]  # given up at once, not served to nobody later


def test_a_broken_body_reaches_the_client(client: openai.OpenAI, state: OpenAIState) -> None:
    state.faults.script(Fault(body='{"data": ['))
    with pytest.raises(json.JSONDecodeError):
        client.embeddings.create(model=SMALL, input="text")


def test_an_impossible_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="drop is 'sometimes'"):
        Fault.from_json({"drop": "sometimes"})
    with pytest.raises(ValueError, match="its keys are status"):
        Fault.from_json({"statsu": 500})


def test_the_log_keeps_counts_and_no_text(client: openai.OpenAI, server: Server, state: OpenAIState) -> None:
    client.embeddings.create(model=SMALL, input=["a secret text", "another"])
    logged = httpx.get(f"{server.url}/_sandbox/requests").text
    assert state.log.entries()[0].detail == {"inputs": 2, "tokens": 4}
    assert "secret" not in logged
    assert DEFAULT_KEY not in logged


def test_it_runs_in_a_process_of_its_own_and_is_told_faults_and_keys_over_http(tmp_path: Path) -> None:
    port_file, key_file = tmp_path / "port", tmp_path / "keys"
    key_file.write_text("sk-first\n")
    command = [
        sys.executable,
        "-m",
        "sandbox.standins",
        "openai",
        "--port-file",
        str(port_file),
        "--key-file",
        str(key_file),
    ]
    environment = {"TIKTOKEN_CACHE_DIR": str(vocabulary()), "PATH": ""}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 100
        while not port_file.exists() and time.monotonic() < end:
            time.sleep(0.05)
        url = f"http://127.0.0.1:{port_file.read_text()}"
        first = openai.OpenAI(api_key="sk-first", base_url=f"{url}/v1", max_retries=0)
        assert first.embeddings.create(model=SMALL, input="text").data
        httpx.post(f"{url}/_sandbox/faults", json={"faults": [{"status": 503}]}).raise_for_status()
        with pytest.raises(openai.InternalServerError):
            first.embeddings.create(model=SMALL, input="text")
        httpx.put(f"{url}/_sandbox/keys", json={"keys": ["sk-second"]}).raise_for_status()
        with pytest.raises(openai.AuthenticationError):
            first.embeddings.create(model=SMALL, input="text")
        assert first.with_options(api_key="sk-second").embeddings.create(model=SMALL, input="text").data
        assert httpx.post(f"{url}/_sandbox/faults", json={"faults": [{"x": 1}]}).status_code == 400
    finally:
        process.kill()
        process.wait()
