"""The embedding function in this process, with the real clients, against the stand-ins over loopback."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding import handler
from sandbox.emulator import Emulator
from sandbox.openai_server import OpenAIState
from sandbox.openai_server import create_app as openai_app
from sandbox.pinecone_server import IndexSpec, PineconeState
from sandbox.pinecone_server import create_app as pinecone_app
from sandbox.pinecone_store import VectorStore
from sandbox.serving import Server
from sandbox.workspace import Workspace
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.account import Account
    from sandbox.pinecone_store import Record

OPENAI_KEY = "sk-test-0123456789abcdef0123456789"
PINECONE_KEY = "pc-test-0123456789abcdef0123456789"


@dataclass
class Context:
    """Lambda's context object: real time runs."""

    seconds: float = 60.0
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_name: str = "strata-test-embedding"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:strata-test-embedding:live"
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        return int((self.started + self.seconds - time.monotonic()) * 1000)


def record(body: Any, message_id: str, *, received: int = 1, sent_ms: int = 1_545_082_649_183) -> dict[str, Any]:
    """An SQS record; a body that is no string is sent as JSON."""
    return {
        "messageId": message_id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": str(sent_ms),
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": str(sent_ms),
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:strata-test-embedding",
        "awsRegion": "eu-central-1",
    }


def reasons(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Reason and detail of every failed message in the log."""
    failures = [entry.__dict__ for entry in caplog.records if entry.message == "message failed"]
    return [(entry["reason"], entry["detail"]) for entry in failures]


class Function:
    """The deployed function, as a test sees it."""

    def __init__(self, openai: OpenAIState, index: PineconeState) -> None:
        self.openai = openai
        self.index = index

    def invoke(self, event: dict[str, Any], seconds: float = 60.0) -> Any:
        return handler.handler(event, Context(seconds))  # type: ignore[arg-type]  # the parts of a context that are used

    def send(self, *bodies: Any, seconds: float = 60.0) -> list[int]:
        """Deliver one batch; the positions of the messages that failed."""
        records = [record(body, f"message-{number}") for number, body in enumerate(bodies)]
        return self.failed(self.invoke({"Records": records}, seconds))

    @staticmethod
    def failed(answer: dict[str, Any]) -> list[int]:
        assert answer.keys() == {"batchItemFailures"}
        return sorted(int(item["itemIdentifier"].rpartition("-")[2]) for item in answer["batchItemFailures"])

    def stored(self, namespace: str = "") -> dict[str, Record]:
        """What is in the index."""
        return self.index.store.records(namespace)

    def embeddings(self) -> list[int | None]:
        """The answers to the embeddings requests so far."""
        return [entry.status for entry in self.openai.log.entries("/v1/embeddings")]

    def upserts(self) -> list[int | None]:
        """The answers to the upserts so far."""
        return [entry.status for entry in self.index.log.entries("/vectors/upsert")]

    def restart(self) -> None:
        """A new environment: nothing is cached."""
        handler._pipeline.cache_clear()


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An empty local AWS."""
    with Workspace("function-tests", tmp_path_factory.mktemp("sandbox")) as workspace:
        emulator = Emulator(workspace)
        yield emulator.start()
        emulator.stop()


@pytest.fixture(scope="session")
def _vocabulary() -> str:
    return str(vocabulary())


class HashedModel:
    """Any text's own direction, at once: these tests are about messages, not about meaning."""

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
        rows = np.stack([np.random.default_rng(seed).normal(size=384) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def hashed() -> HashedModel:
    return HashedModel()


@pytest.fixture(scope="session")
def _openai(hashed: HashedModel, _vocabulary: str) -> Iterator[tuple[OpenAIState, str]]:
    state = OpenAIState(keys=[OPENAI_KEY], model=hashed)
    with Server(openai_app(state)) as server:
        yield state, server.url


@pytest.fixture(scope="session")
def _indexes() -> Iterator[Callable[[int], tuple[PineconeState, str]]]:
    """Index servers by dimension, started when needed and kept; each test gets an empty one."""
    running: dict[int, tuple[PineconeState, Server]] = {}

    def empty(dimension: int) -> tuple[PineconeState, str]:
        if dimension not in running:
            state = PineconeState(IndexSpec(dimension=dimension))
            running[dimension] = state, Server(pinecone_app(state)).start()
        state, server = running[dimension]
        state.store = VectorStore()
        state.faults.clear()
        state.log.clear()
        state.keys.rotate(PINECONE_KEY)
        return state, server.url

    yield empty
    for _, server in running.values():
        server.stop()


@pytest.fixture
def make_function(
    _openai: tuple[OpenAIState, str],
    _indexes: Callable[[int], tuple[PineconeState, str]],
    _vocabulary: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Function]:
    """Makes the function with these extra variables ("" removes one) and an empty index of this dimension."""
    openai, openai_url = _openai
    openai.faults.clear()
    openai.log.clear()
    openai.keys.rotate(OPENAI_KEY)

    def make(dimension: int = 384, **variables: str) -> Function:
        index, index_url = _indexes(dimension)
        environment = {
            "TIKTOKEN_CACHE_DIR": _vocabulary,
            "STRATA_STACK": "test",
            "OPENAI_BASE_URL": f"{openai_url}/v1",
            "OPENAI_API_KEY": OPENAI_KEY,
            "OPENAI_EMBEDDING_MODEL": "text-embedding-3-small",
            "OPENAI_EMBEDDING_DIMENSIONS": "384",
            "PINECONE_API_KEY": PINECONE_KEY,
            "PINECONE_INDEX_HOST": index_url,
        } | variables
        for name, value in environment.items():
            if value:
                monkeypatch.setenv(name, value)
            else:
                monkeypatch.delenv(name, raising=False)
        function = Function(openai, index)
        function.restart()
        return function

    return make


@pytest.fixture
def function(make_function: Callable[..., Function]) -> Function:
    """The function with its usual settings."""
    return make_function()
