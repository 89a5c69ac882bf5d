"""Requests to OpenAI's API through the official client, within the time that the function has left.

Owns the client, what is tried again, the key's renewal and the meaning of the answers that are not 200. What is asked,
and what an answer of 200 is worth, is `embeddings`' and of whoever calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from lambdas.shared.attempts import Failure, NoTimeLeftError, Policy, attempt
from lambdas.shared.deadline import retry_after_seconds
from lambdas.shared.lazy import lazy_packages
from lambdas.shared.openai_calls.contract import FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS
from lambdas.shared.quotes import quotable
from lambdas.shared.work_errors import (
    BusyError,
    ConfigurationError,
    ForbiddenError,
    KeyRefusedError,
    OutOfTimeError,
    RefusedInputError,
    TooLargeError,
    UnavailableError,
    WorkError,
)

with lazy_packages("openai.types"):  # a thousand modules, of which a request needs a handful
    import openai

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdas.shared.deadline import Deadline
    from lambdas.shared.secret import Secret

T = TypeVar("T")

OUR_PARAMETERS = frozenset({"model", "dimensions", "encoding_format", "response_format", "max_completion_tokens"})
"""A 400 about one of these is our fault and not a text's."""
LIMITS = frozenset({"max_tokens_per_request", "array_above_max_length", "context_length_exceeded"})
"""Codes of a 400 about a request's size."""
MEANINGS: dict[int, type[WorkError]] = {
    400: RefusedInputError,
    401: KeyRefusedError,
    403: ForbiddenError,
    404: ConfigurationError,
    413: TooLargeError,
    422: RefusedInputError,
}
"""Of answers, as far as the status alone tells. Those that are not here may be another one later."""
THROTTLED = 429
TELLING = frozenset({ConfigurationError, ForbiddenError, RefusedInputError})
"""What OpenAI's words are repeated for. Those of a 401 quote a part of the key."""
OUT_OF_QUOTA = "the account's quota is used up: add credit, or raise its budget"
_too_large = re.compile(r"Limit ([\d,]+)\D+Requested ([\d,]+)")
"""In a 429's words: tokens per minute, and what one request would take of them."""
_word = re.compile(r"[\w.$\[\]-]{1,64}", re.ASCII)


class OpenAIService:
    """Makes requests."""

    def __init__(self, secret: Secret, *, base_url: str, timeout_seconds: float, max_retries: int) -> None:
        """Make the client; the key is read at the first request.

        Args:
            secret: the API key.
            base_url: of OpenAI, or of a server that speaks its API.
            timeout_seconds: of one try.
            max_retries: after the first try.
        """
        self._secret = secret
        self._policy = Policy(
            retries=max_retries,
            first_wait_seconds=FIRST_BACKOFF_SECONDS,
            max_wait_seconds=MAX_BACKOFF_SECONDS,
            try_seconds=timeout_seconds,
        )
        self._once = Policy(retries=0, first_wait_seconds=0, max_wait_seconds=0, try_seconds=timeout_seconds)
        self._client = openai.OpenAI(
            # Called for each request, so that a renewed key is used without a new client.
            api_key=secret.value,
            base_url=base_url,
            max_retries=0,
        )

    def make(
        self,
        work: Callable[[openai.OpenAI, float], T],
        sent: Sequence[str],
        deadline: Deadline,
        *,
        once: bool = False,
    ) -> T:
        """Make a request and its retries; a refused key is read again, and when it has changed, asked with once more.

        Args:
            work: one try: gets the client and the seconds that it may take. An answer of status 200 that is of no use
                is an `UnavailableError`, and tried again.
            sent: the texts of the request, which are not to be in a log.
            deadline: nothing is begun, and nothing waited for, beyond it.
            once: whether to do without retries.

        Raises:
            RefusedInputError: 400 or 422: one of the texts is bad.
            TooLargeError: fewer texts may pass.
            KeyRefusedError: 401.
            ForbiddenError: 403.
            ConfigurationError: the model or its parameters are not accepted, or there is no such address.
            UnavailableError: no usable answer.
            OutOfTimeError: the deadline came first.
            SecretError: there is no key.
        """

        def request() -> T:
            return attempt(
                lambda seconds: work(self._client, seconds),
                lambda error: _explained(error, sent),
                self._once if once else self._policy,
                deadline,
            )

        try:
            return self._secret.renewing(request, (KeyRefusedError, ForbiddenError))
        except NoTimeLeftError:
            raise OutOfTimeError("no time was left for an answer of OpenAI") from None


def _explained(error: Exception, sent: Sequence[str]) -> Failure | None:
    """What a failed request means."""
    if isinstance(error, openai.APIStatusError):
        asked = error.response.headers.get("x-should-retry")
        meaning = _meaning(error, sent)
        final = asked == "false" or isinstance(meaning, TooLargeError | ConfigurationError)
        return Failure(meaning, error.status_code, error.response.headers, final)
    if isinstance(error, UnicodeEncodeError):
        return Failure(RefusedInputError("a text has half of a surrogate pair, which is not valid Unicode"), final=True)
    if isinstance(error, UnavailableError):  # an answer of status 200 that is not one
        return Failure(error)
    if isinstance(error, openai.APIConnectionError):  # timeouts too
        return Failure(UnavailableError(f"OpenAI: {type(error).__name__}"))
    if isinstance(error, ValueError | RuntimeError | openai.APIError):
        return Failure(UnavailableError(f"OpenAI's answer could not be read: {type(error).__name__}"))
    return None


def _meaning(error: openai.APIStatusError, sent: Sequence[str]) -> WorkError:
    """What an answer other than 200 means for the texts of the request."""
    kind = error.code or error.type
    about = "".join(f", {name} {_short(value)}" for name, value in (("code", kind), ("param", error.param)) if value)
    where = f"OpenAI answered {error.status_code} (request {error.request_id}{about})"
    if error.status_code == THROTTLED:
        if kind == "insufficient_quota":
            return ConfigurationError(f"{where}: {OUT_OF_QUOTA}")
        return _too_many_tokens(where, error.message) or BusyError(where, _asked(error))
    meaning = MEANINGS.get(error.status_code)
    if meaning is None:
        return UnavailableError(where, _asked(error))
    if meaning is RefusedInputError and kind in LIMITS:
        meaning = TooLargeError
    elif meaning is RefusedInputError and error.param in OUR_PARAMETERS:
        meaning = ConfigurationError
    return meaning(f"{where}: {quotable(error.message, sent)}" if meaning in TELLING else where)


def _too_many_tokens(where: str, words: str) -> TooLargeError | None:
    """What a 429 means that no waiting helps: the request alone is more than the account has for a minute."""
    found = _too_large.search(words)
    if found is None:
        return TooLargeError(where) if "request too large" in words.lower() else None
    limit, requested = (int(number.replace(",", "")) for number in found.groups())
    if requested <= limit:
        return None
    return TooLargeError(
        f"{where}: {requested} tokens in one request, and the limit of a minute is {limit}", limit / requested
    )


def _asked(error: openai.APIStatusError) -> float | None:
    return retry_after_seconds(error.response.headers)


def _short(value: object) -> str:
    """A code of the service, and nothing that could be a text."""
    return value if isinstance(value, str) and _word.fullmatch(value) else "unknown"
