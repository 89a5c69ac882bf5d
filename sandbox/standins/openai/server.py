"""A server that speaks OpenAI's API: embeddings of a real small model, chat of none. Not OpenAI, as its headers say.

Owns `POST /v1/embeddings` with the limits, token counts and errors of the real API as far as its clients can tell them
apart, and `GET /v1/models`. `POST /v1/chat/completions` is in `chat.py`, what it says in `writer.py`, what in a form
in `extracts.py`.

The vectors are all-MiniLM-L6-v2's (`minilm.py`), whatever model is named:

- asked for 384 dimensions they are MiniLM's own;
- asked for more (text-embedding-ada-002 always has 1,536) they are padded with zeros, which changes no cosine;
- asked for fewer they are cut and normalised again, as the API does; MiniLM was not trained for that, so quality drops.

Run it alone: `python -m sandbox.standins openai --port 8081`.
"""

from __future__ import annotations

import base64
import os
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import anyio.to_thread
import numpy as np
import tiktoken
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from lambdas.shared.json_values import is_list
from sandbox.standins.openai import extracts, writer
from sandbox.standins.openai.chat import MODELS as CHAT_MODELS
from sandbox.standins.openai.chat import parse_chat
from sandbox.standins.openai.completion import complete
from sandbox.standins.openai.minilm import DIMENSIONS as MINILM_DIMENSIONS
from sandbox.standins.openai.minilm import MiniLM
from sandbox.standins.openai.moods import Moods
from sandbox.standins.openai.problems import OpenAIError, json_object
from sandbox.standins.openai.vocabulary import find_vocabulary
from sandbox.standins.serving import ServerState, add_detail, build_app

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

DEFAULT_KEY = "sk-local"
CACHED_TEXTS = 20_000
MAX_INPUTS = 2_048
"""https://platform.openai.com/docs/api-reference/embeddings/create"""
MAX_TOKENS = 8_192
MAX_TOTAL_TOKENS = 300_000
HEADERS = {"openai-version": "2020-10-01", "x-strata-stand-in": "all-MiniLM-L6-v2, not OpenAI"}


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What the API says of a model."""

    dimensions: int
    """The default, and the most that can be asked for."""
    shortens: bool
    """Whether `dimensions` may be given."""
    answers_as: str
    """The name in the answer: ada-002's carries a version that the API does not accept as a request."""


MODELS = {
    "text-embedding-ada-002": EmbeddingModel(1_536, shortens=False, answers_as="text-embedding-ada-002-v2"),
    "text-embedding-3-small": EmbeddingModel(1_536, shortens=True, answers_as="text-embedding-3-small"),
    "text-embedding-3-large": EmbeddingModel(3_072, shortens=True, answers_as="text-embedding-3-large"),
}


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A request that passed every check."""

    model: EmbeddingModel
    texts: list[str]
    tokens: int
    dimensions: int
    base64: bool


class Embedder(Protocol):
    """What turns texts into vectors: `MiniLM`, or a test's own."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(len(texts), 384) float32 of length 1."""
        ...


class OpenAIState(ServerState):
    """The model, the accepted keys, the faults and the log of one server."""

    def __init__(
        self,
        *,
        keys: Iterable[str] = (DEFAULT_KEY,),
        vocabulary: Path | None = None,
        model: Embedder | None = None,
        latency_seconds: float = 0.0,
    ) -> None:
        """Load the model (90 MB); the vocabulary is looked for with the first embeddings, which alone need it.

        Args:
            keys: accepted API keys.
            vocabulary: folder with tiktoken's cl100k_base; None looks for it (`sandbox.standins.openai.vocabulary`).
            model: a loaded model to share between servers.
            latency_seconds: added to every embeddings request, for load tests with an API's usual latency.
        """
        super().__init__(keys)
        self._vocabulary = vocabulary
        self.model: Embedder = model or MiniLM()
        self.latency_seconds = latency_seconds
        self.moods = Moods()
        """What the chat model is told to do wrong."""
        self.stall_seconds = 600.0
        self._vectors: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def encoding(self) -> tiktoken.Encoding:
        """Counts the tokens of embeddings.

        Raises:
            FileNotFoundError: there is no vocabulary; says what fetches it.
        """
        # tiktoken takes its cache folder from the environment only. The file is checked: nothing is downloaded.
        os.environ["TIKTOKEN_CACHE_DIR"] = str(find_vocabulary(self._vocabulary))
        return tiktoken.get_encoding("cl100k_base")

    def embed(self, texts: Sequence[str], dimensions: int) -> NDArray[np.float32]:
        """The vectors that the API answers: (len(texts), dimensions) float32 of length 1."""
        with self._lock:
            known = {text: self._vectors[text] for text in set(texts) if text in self._vectors}
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known |= dict(zip(new, self.model.embed(new), strict=True))
            with self._lock:
                self._vectors.update((text, known[text]) for text in new)
                while len(self._vectors) > CACHED_TEXTS:
                    self._vectors.popitem(last=False)
        return fit(np.stack([known[text] for text in texts]), dimensions)


def fit(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Pad MiniLM's vectors with zeros, or cut and normalise them: (n, 384) to (n, dimensions) float32."""
    if dimensions >= MINILM_DIMENSIONS:
        return np.pad(vectors, ((0, 0), (0, dimensions - MINILM_DIMENSIONS)))
    cut = vectors[:, :dimensions]
    return np.divide(cut, np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def parse(state: OpenAIState, body: bytes) -> EmbeddingRequest:
    """Check a request as the API does.

    Raises:
        OpenAIError: 400 or 404, with the API's message.
    """
    request = json_object(body)
    model, dimensions = _model(request)
    encoding_format = request.get("encoding_format", "float")
    if encoding_format not in {"float", "base64"}:
        message = f"Invalid value: {encoding_format!r}. Supported values are: 'float' and 'base64'."
        raise OpenAIError(400, message, param="encoding_format", code="invalid_value")
    texts, tokens = _inputs(state.encoding, request.get("input"))
    return EmbeddingRequest(model, texts, tokens, dimensions, encoding_format == "base64")


def _model(request: dict[str, Any]) -> tuple[EmbeddingModel, int]:
    name, dimensions = request.get("model"), request.get("dimensions")
    if not isinstance(name, str) or not name:
        raise OpenAIError(400, "you must provide a model parameter")
    if name not in MODELS:
        message = f"The model `{name}` does not exist or you do not have access to it."
        raise OpenAIError(404, message, code="model_not_found")
    model = MODELS[name]
    if dimensions is None:
        return model, model.dimensions
    if not model.shortens:
        raise OpenAIError(400, "This model does not support specifying dimensions.", param="dimensions")
    if not isinstance(dimensions, int) or isinstance(dimensions, bool) or not 1 <= dimensions <= model.dimensions:
        limit = f"Must be greater than 0 and less than or equal to {model.dimensions}."
        raise OpenAIError(400, f"Invalid value for 'dimensions' = {dimensions}. {limit}", param="dimensions")
    return model, dimensions


def _inputs(encoding: tiktoken.Encoding, value: Any) -> tuple[list[str], int]:
    """The texts and their tokens in all."""
    invalid = OpenAIError(
        400, "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
    )
    items: Any = [value] if isinstance(value, str) or _is_tokens(value) else value
    if not is_list(items) or not items:
        raise invalid
    if len(items) > MAX_INPUTS:
        message = (
            f"Invalid 'input': array too long. Expected an array with maximum length {MAX_INPUTS}, "
            f"but got an array with length {len(items)} instead."
        )
        raise OpenAIError(400, message, param="input", code="array_above_max_length")
    if not (all(isinstance(item, str) for item in items) or all(_is_tokens(item) for item in items)):
        raise invalid
    texts: list[str] = []
    total = 0
    for position, item in enumerate(items):
        text, count = _text(encoding, item, invalid)
        if not text:
            raise OpenAIError(400, f"Invalid 'input[{position}]': input cannot be an empty string.", param="input")
        if count > MAX_TOKENS:
            message = f"Invalid 'input[{position}]': maximum input length is {MAX_TOKENS} tokens."
            raise OpenAIError(400, message, param="input")
        texts.append(text)
        total += count
    if total > MAX_TOTAL_TOKENS:
        message = f"Requested {total} tokens, max {MAX_TOTAL_TOKENS} tokens per request"
        raise OpenAIError(400, message, code="max_tokens_per_request", kind="max_tokens_per_request")
    return texts, total


def _is_tokens(value: Any) -> bool:
    return is_list(value) and bool(value) and all(type(item) is int for item in value)


def _text(encoding: tiktoken.Encoding, item: Any, invalid: OpenAIError) -> tuple[str, int]:
    if is_list(item):
        try:
            return encoding.decode(item), len(item)
        except (KeyError, OverflowError) as error:
            raise invalid from error
    try:
        item.encode()
    except UnicodeEncodeError as error:  # a lone surrogate, which JSON can carry and UTF-8 cannot
        raise invalid from error
    return item, len(encoding.encode_ordinary(item))


def _authorise(state: OpenAIState, request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth."
        )
        raise OpenAIError(401, message)
    if not state.keys.accepts(key):
        shown = "*" * 8 if len(key) < 16 else f"{key[:3]}{'*' * 8}{key[-4:]}"  # noqa: PLR2004  the API's own masking
        message = f"Incorrect API key provided: {shown}."
        raise OpenAIError(401, message, code="invalid_api_key")


def create_app(state: OpenAIState) -> Starlette:
    """The application: serve it with `sandbox.standins.serving.Server`."""

    async def embeddings(request: Request) -> Response:
        started = time.perf_counter()
        _authorise(state, request)
        asked = await anyio.to_thread.run_sync(parse, state, await request.body())
        add_detail(request, inputs=len(asked.texts), tokens=asked.tokens)
        vectors = await anyio.to_thread.run_sync(state.embed, asked.texts, asked.dimensions)
        if state.latency_seconds:
            await anyio.sleep(state.latency_seconds)
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, asked)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": asked.tokens, "total_tokens": asked.tokens}
        body = {"object": "list", "data": data, "model": asked.model.answers_as, "usage": usage}
        spent = f"{(time.perf_counter() - started) * 1000:.0f}"
        return JSONResponse(body, headers=_headers() | {"openai-processing-ms": spent})

    async def chat(request: Request) -> Response:
        _authorise(state, request)
        asked = await anyio.to_thread.run_sync(parse_chat, await request.body())
        mood = state.moods.next()
        if asked.form is None:
            reply = await anyio.to_thread.run_sync(writer.reply, mood, asked.messages, asked.tools)
        else:
            reply = await anyio.to_thread.run_sync(extracts.answer, mood, asked.messages, asked.form)
        completion = complete(asked, reply)
        add_detail(request, prompt_tokens=asked.prompt_tokens, completion_tokens=completion.tokens, mood=mood)
        stall = state.stall_seconds if mood == "stall" else 0.0
        if asked.stream:
            return StreamingResponse(completion.events(stall), headers=_headers(), media_type="text/event-stream")
        await anyio.sleep(stall)
        return JSONResponse(completion.to_json(), headers=_headers())

    async def models(request: Request) -> Response:
        _authorise(state, request)
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "strata-sandbox"}
            for name in (*MODELS, *CHAT_MODELS)
        ]
        return JSONResponse({"object": "list", "data": data}, headers=_headers())

    async def failed(_: Request, error: Exception) -> Response:
        assert isinstance(error, OpenAIError)  # noqa: S101  registered for this class only
        return JSONResponse(error.body, error.status, headers=_headers())

    routes = [
        Route("/v1/embeddings", embeddings, methods=["POST"]),
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/models", models),
    ]
    return build_app(state, routes, {OpenAIError: failed})


def _headers() -> dict[str, str]:
    return HEADERS | {"x-request-id": f"req_{uuid.uuid4().hex}"}


def _encoded(vector: NDArray[np.float32], asked: EmbeddingRequest) -> str | list[float]:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode() if asked.base64 else vector.tolist()
