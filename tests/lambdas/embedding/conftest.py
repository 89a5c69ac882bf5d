"""The embedding function in this process, with the real clients, against the stand-ins over loopback."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lambdas.embedding import handler
from sandbox.standins.openai.server import OpenAIState
from sandbox.standins.openai.server import create_app as openai_app
from sandbox.standins.pinecone.server import IndexSpec, PineconeState
from sandbox.standins.pinecone.server import create_app as pinecone_app
from sandbox.standins.pinecone.store import VectorStore
from sandbox.standins.serving import Server
from tests.lambdas.conftest import Context, record
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sandbox.standins.pinecone.store import Record

OPENAI_KEY = "sk-test-0123456789abcdef0123456789"
PINECONE_KEY = "pc-test-0123456789abcdef0123456789"


class Function:
    """The deployed function, as a test sees it."""

    def __init__(self, openai: OpenAIState, index: PineconeState) -> None:
        self.openai = openai
        self.index = index
        self.clock_ms = 1_545_082_649_183

    def invoke(self, event: dict[str, Any], seconds: float = 60.0) -> Any:
        return handler.handler(event, Context(seconds))  # type: ignore[arg-type]  # the parts of a context that are used

    def send(self, *bodies: Any, seconds: float = 60.0) -> list[int]:
        """Deliver one batch that was sent just now; the positions of the messages that failed."""
        self.clock_ms += 1_000
        records = [record(body, f"message-{number}", sent_ms=self.clock_ms) for number, body in enumerate(bodies)]
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

    def tokenizer(self) -> Any:
        """The reference's own."""
        return self.openai.encoding

    def restart(self) -> None:
        """A new environment: nothing is cached."""
        handler._pipeline.cache_clear()


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
