"""The two models: texts into vectors, a conversation into an answer of a given form; and what is said when they fail.

Owns the meaning of every failure for whoever asked: a status, a code, whether a retry can help. What OpenAI said goes
to the log and never to a user. How requests are made and tried again is `lambdas.shared.openai_calls`'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from lambdas.knowledge_base.errors import ApiError
from lambdas.knowledge_base.telemetry import count, logger
from lambdas.shared.deadline import OverrunError, Worker
from lambdas.shared.json_values import is_list, is_object
from lambdas.shared.openai_calls.contract import ALIASES, MODELS
from lambdas.shared.openai_calls.embedder import Embedder
from lambdas.shared.openai_calls.embeddings import Embeddings
from lambdas.shared.openai_calls.openai_service import OpenAIService
from lambdas.shared.secret import SecretError
from lambdas.shared.work_errors import (
    BusyError,
    ConfigurationError,
    OutOfTimeError,
    RefusedInputError,
    UnavailableError,
    WorkError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lambdas.knowledge_base.settings import Settings
    from lambdas.shared.deadline import Deadline
    from lambdas.shared.openai_calls.answers import Vector
    from lambdas.shared.secret import Secret

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

TRY_SECONDS = 25.0
"""Of one request: all that an answer of the API may take. A deadline cuts it shorter."""
RETRIES = 3
MOST_ANSWER_TOKENS = 4_096
"""Of a chat's answer, with what a reasoning model thinks before it."""
BYTES_PER_TOKEN = 3
"""About, and rather too few: 4 in English. Requests that are too large all the same are divided when OpenAI says so."""
WAIT_SECONDS = 5
"""What a caller is told to wait where OpenAI does not say."""


class ModelsError(ApiError):
    """A model gave no answer that is of use."""

    def __init__(self, status: int, code: str, message: str, *, may_pass: bool, wait: float | None = None) -> None:
        """Say what to answer.

        Args:
            status: of HTTP.
            code: for programs.
            message: for people.
            may_pass: whether the same may succeed later, without anybody's doing.
            wait: seconds after which it may.
        """
        headers = {"Retry-After": str(max(1, math.ceil(wait or WAIT_SECONDS)))} if may_pass else {}
        super().__init__(status, code, message, headers)
        self.may_pass = may_pass


class UnreadableError(UnavailableError):
    """An answer of status 200 that is not one: HTML, no choice, or not in the form that was asked for."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str

    @property
    def tokens(self) -> int:
        return len(self.text.encode(errors="replace")) // BYTES_PER_TOKEN + 1


class Models:
    """The embedding model and the chat model, behind one client."""

    def __init__(self, settings: Settings, secret: Secret) -> None:
        """Nothing is connected, and no key read, before the first request.

        Args:
            settings: which models, and where.
            secret: OPENAI_API_KEY.
        """
        self._settings = settings
        self._secret = secret

    @cached_property
    def _openai(self) -> OpenAIService:
        return OpenAIService(
            self._secret, base_url=self._settings.openai_base_url, timeout_seconds=TRY_SECONDS, max_retries=RETRIES
        )

    @cached_property
    def _embedder(self) -> Embedder:
        model = ALIASES.get(self._settings.embedding_model, self._settings.embedding_model)
        if model not in MODELS:
            raise ConfigurationError(f"OPENAI_EMBEDDING_MODEL is {model!r}: it has to be one of {', '.join(MODELS)}")
        return Embedder(Embeddings(self._openai, model, MODELS[model].dimensions))

    def embed(self, texts: Sequence[str], deadline: Deadline) -> list[Vector]:
        """Embed texts, in as few requests as OpenAI takes.

        Args:
            texts: any number, each of at most 8,191 tokens and none of them blank.
            deadline: nothing is begun beyond it.

        Returns:
            For each text (dimensions,) float32 of length 1.

        Raises:
            ModelsError: at least one has no vector; of a text that OpenAI refuses, `text_refused`.
        """

        def work() -> list[Vector]:
            embedded = self._embedder.embed(map(_Text, texts), deadline)
            reason = embedded.reason(texts)
            if reason is not None:
                raise reason
            return [embedded.vectors[text] for text in texts]

        return self._bounded(work, deadline, refused=_TEXT_REFUSED)

    def complete(self, messages: Sequence[Mapping[str, str]], form: type[M], deadline: Deadline) -> M:
        """Have the chat model answer in a form.

        Args:
            messages: the conversation, each with `role` and `content`.
            form: what the answer has to be; its models forbid other keys and have no defaults (OpenAI's strict mode).
            deadline: the answer is of no use after it.

        Raises:
            ModelsError: no answer, or none that is of use.
        """
        wanted: Any = {
            "type": "json_schema",
            "json_schema": {"name": form.__name__.lower(), "strict": True, "schema": form.model_json_schema()},
        }

        def request(client: Any, seconds: float) -> M:
            answer = client.chat.completions.with_raw_response.create(
                model=self._settings.chat_model,
                messages=list(messages),
                response_format=wanted,
                max_completion_tokens=MOST_ANSWER_TOKENS,
                timeout=seconds,
            )
            return _read(answer.http_response, form)

        sent = [message["content"] for message in messages]
        return self._bounded(lambda: self._openai.make(request, sent, deadline), deadline, refused=_REFUSED)

    @staticmethod
    def _bounded(work: Callable[[], T], deadline: Deadline, *, refused: tuple[str, str]) -> T:
        """Do it within the time, also when a server sends a byte now and then; say what a failure means."""
        try:
            return Worker().within(deadline, work)
        except (WorkError, SecretError, OverrunError) as error:
            logger.warning("a model did not answer", extra={"reason": type(error).__name__, "detail": str(error)})
            raise _meaning(error, refused) from None


_REFUSED = ("model_refused", "The model does not answer this message. Put it in other words.")
_TEXT_REFUSED = ("text_refused", "The model does not take this text.")
_PASSING: tuple[tuple[type[Exception], int, str, str], ...] = (
    (OutOfTimeError, 503, "model_timed_out", "The model took too long to answer. Try again."),
    (OverrunError, 503, "model_timed_out", "The model took too long to answer. Try again."),
    (UnreadableError, 502, "model_answer_unreadable", "The model's answer could not be read. Try again."),
    (BusyError, 503, "model_busy", "The model has too much to do at the moment. Try again later."),
    (UnavailableError, 503, "model_unavailable", "The model does not answer. Try again later."),
    (SecretError, 503, "not_configured", "The service cannot answer at the moment: try again in a minute."),
)
"""Kind of failure, the more special before the more general, to what is answered."""
_MISCONFIGURED = "The model cannot be used as this service is set up. Its operator finds the reason in the log."


def _meaning(error: Exception, refused: tuple[str, str]) -> ModelsError:
    for kind, status, code, message in _PASSING:
        if isinstance(error, kind):
            wait = getattr(error, "retry_after_seconds", None)
            return ModelsError(status, code, message, may_pass=True, wait=wait)
    if isinstance(error, RefusedInputError):
        return ModelsError(422, *refused, may_pass=False)
    # A refused key, the model's name, the quota: nothing that whoever asks can change.
    return ModelsError(503, "model_misconfigured", _MISCONFIGURED, may_pass=False)


def _read(response: Any, form: type[M]) -> M:
    """The answer in its form.

    Raises:
        UnreadableError: it is not there, or in another form; asked again, the model may do better.
        ModelsError: the model refuses, was stopped by a filter, or its answer does not end.
    """
    choice = _choice(response)
    message = choice.get("message")
    if not is_object(message):
        raise UnreadableError("OpenAI's answer has a choice without a message")
    finish = choice.get("finish_reason")
    if message.get("refusal") or finish == "content_filter":
        raise ModelsError(422, *_REFUSED, may_pass=False)
    if finish == "length":
        raise ModelsError(
            502, "model_answer_cut", "The answer became too long. Ask for a smaller part of it.", may_pass=False
        )
    try:
        return form.model_validate_json(message.get("content") or "", strict=True)
    except ValidationError as error:
        kinds = sorted({problem["type"] for problem in error.errors()})
        raise UnreadableError(f"OpenAI's answer is not in the form that was asked for: {', '.join(kinds)}") from None


def _choice(response: Any) -> dict[str, Any]:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        raise UnreadableError("OpenAI's answer is not JSON") from None
    choices = body.get("choices") if is_object(body) else None
    used = body.get("usage") if is_object(body) else None
    if is_object(used) and isinstance(used.get("total_tokens"), int):
        count({"ChatTokens": used["total_tokens"]})
    if not is_list(choices) or not choices or not is_object(choices[0]):
        raise UnreadableError("OpenAI's answer has no choice in it")
    return choices[0]
