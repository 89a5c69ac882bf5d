"""OpenAI's embeddings API through the official client, within the time that the function has left.

Owns the client, its retries' bounds, the key's renewal and the mapping of its errors. Which texts go into a request is
`pipeline`'s.
"""

from __future__ import annotations

import base64
import math
import sys
from array import array
from typing import TYPE_CHECKING, Any, TypeAlias

import openai
from openai.types import CreateEmbeddingResponse

from lambdas.embedding.errors import (
    ConfigurationError,
    KeyRefusedError,
    OutOfTimeError,
    RefusedInputError,
    UnavailableError,
)
from lambdas.shared.deadline import Deadline, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.embedding.settings import Settings
    from lambdas.shared.secrets import Secret

    Vector: TypeAlias = "array[float]"

FIRST_BACKOFF_SECONDS, MOST_BACKOFF_SECONDS = 0.5, 8.0
"""The client's own: it waits at most the first, doubled for each retry, and never more than the second."""
OUR_PARAMETERS = frozenset({"model", "dimensions", "encoding_format"})
"""A 400 about one of these is our fault and not a text's."""
DETAIL_LENGTH = 200


class _NoTimeLeftError(openai.OpenAIError):
    """Raised below the client, which hands its own exceptions on without retrying."""


class _DeadlineClient(openai.DefaultHttpxClient):
    """The client's HTTP client, with a deadline: no attempt, and no wait for one, goes beyond it."""

    deadline: Deadline = Deadline(math.inf)

    def send(self, request: Any, **options: Any) -> Any:
        """Send one attempt."""
        left = self.deadline.left()
        if left <= 0:
            raise _NoTimeLeftError
        timeouts = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {
            phase: left if seconds is None else min(seconds, left) for phase, seconds in timeouts.items()
        }
        retries = int(request.headers.get("x-stainless-retry-count", "0"))
        backoff = min(FIRST_BACKOFF_SECONDS * 2**retries, MOST_BACKOFF_SECONDS)
        try:
            response = super().send(request, **options)
        except Exception as error:
            if self.deadline.left() <= backoff:
                raise _NoTimeLeftError from error
            raise
        wait = retry_after_seconds(response.headers)
        if self.deadline.left() <= max(wait or 0, backoff):
            response.headers["x-should-retry"] = "false"
        return response


class OpenAIService:
    """Embeds texts."""

    def __init__(self, settings: Settings, secret: Secret) -> None:
        """Make the client; the key is read at the first request."""
        self._settings = settings
        self._secret = secret
        self._http = _DeadlineClient(timeout=settings.OPENAI_TIMEOUT)
        self._client = openai.OpenAI(
            # Called for each request, so that a renewed key is used without a new client.
            api_key=secret.value,
            base_url=settings.OPENAI_BASE_URL,
            timeout=settings.OPENAI_TIMEOUT,
            max_retries=settings.OPENAI_MAX_RETRIES,
            http_client=self._http,
        )

    def embed(self, texts: Sequence[str], deadline: Deadline) -> list[Vector]:
        """The vectors of some texts, by one request and its retries.

        A refused key is read again, and when it has changed the request is made once more.

        Args:
            texts: at most 2,048, of at most 300,000 tokens in all.
            deadline: nothing is begun, and nothing waited for, beyond it.

        Returns:
            One float32 array for each text, in their order.

        Raises:
            RefusedInputError: 400, 413 or 422: one of the texts is bad.
            KeyRefusedError: 401 or 403.
            ConfigurationError: the model or its dimensions are not accepted, or there is no such address.
            UnavailableError: no usable answer.
            OutOfTimeError: the deadline came first.
            SecretError: there is no key.
        """
        self._http.deadline = deadline
        try:
            return self._embed(texts)
        except KeyRefusedError:
            if not self._secret.refresh():
                raise
            return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        settings = self._settings
        try:
            answer = self._client.embeddings.create(
                model=settings.OPENAI_EMBEDDING_MODEL,
                input=list(texts),
                # Named, so that the client leaves the decoding to us: its lists of floats take eight times the memory.
                encoding_format="base64",
                dimensions=openai.omit if settings.OPENAI_EMBEDDING_DIMENSIONS is None else settings.dimensions,
            )
        except _NoTimeLeftError:
            raise OutOfTimeError("no time was left for an answer of OpenAI") from None
        except openai.APIStatusError as error:
            raise _explained(error) from None
        except openai.APIConnectionError as error:  # timeouts too
            raise UnavailableError(f"OpenAI: {type(error).__name__}") from None
        except (ValueError, OverflowError, RuntimeError, openai.APIError) as error:
            # Broken JSON, no data, other types: what the client raises for an answer of status 200 that is none.
            raise UnavailableError(f"OpenAI's answer could not be read: {type(error).__name__}") from None
        vectors = _vectors(answer, len(texts))
        if any(len(vector) != settings.dimensions for vector in vectors):
            raise ConfigurationError(
                f"{settings.OPENAI_EMBEDDING_MODEL} answered {len(vectors[0])} dimensions instead of "
                f"{settings.dimensions}: is another model behind OPENAI_BASE_URL?"
            )
        return vectors


def _explained(error: openai.APIStatusError) -> Exception:
    """What an answer other than 200 means for the batch."""
    where = f"OpenAI answered {error.status_code} ({error.code or error.type}, request {error.request_id})"
    match error.status_code:
        case 401 | 403:
            # The message of a 401 quotes part of the key.
            return KeyRefusedError(where)
        case 404:
            return ConfigurationError(f"{where}: {error.message[:DETAIL_LENGTH]}")
        case 400 | 413 | 422:
            if isinstance(error.param, str) and error.param in OUR_PARAMETERS:
                return ConfigurationError(f"{where}: {error.message[:DETAIL_LENGTH]}")
            return RefusedInputError(f"{where}: {error.message[:DETAIL_LENGTH]}")
        case _:
            return UnavailableError(where)


def _vectors(answer: Any, count: int) -> list[Vector]:
    """The vectors in the order of the texts.

    Raises:
        UnavailableError: the answer is not what the API promises.
    """
    if not isinstance(answer, CreateEmbeddingResponse):  # an HTML page with status 200 arrives as a string
        raise UnavailableError("OpenAI's answer is not JSON")
    try:
        ordered = sorted(answer.data, key=lambda item: item.index)
        if [item.index for item in ordered] != list(range(count)):
            raise UnavailableError(f"OpenAI answered {len(ordered)} vectors for {count} texts")
        vectors = [_decoded(item.embedding) for item in ordered]
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise UnavailableError(f"OpenAI's answer could not be read: {type(error).__name__}") from None
    for vector in vectors:
        if not any(vector) or not all(map(math.isfinite, vector)):
            raise UnavailableError("OpenAI answered a vector that is empty, zero or not finite")
    return vectors


def _decoded(embedding: Any) -> Vector:
    """Base64 of little-endian float32; or plain numbers, from a server that does not know base64."""
    vector = array("f")
    if not isinstance(embedding, str):
        vector.extend(embedding)
        return vector
    vector.frombytes(base64.b64decode(embedding, validate=True))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
