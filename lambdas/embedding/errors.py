"""Why messages fail: one class per reason. What is said in them goes to the log, so no secret and no text in them."""

from __future__ import annotations

from typing import ClassVar


class EmbeddingError(Exception):
    """Why a message, or several, was not done."""

    reason: ClassVar[str] = "unknown"


class RejectedMessageError(EmbeddingError):
    """This one message can never succeed as it is: it goes to the dead-letter queue."""

    reason = "rejected"


class RefusedInputError(EmbeddingError):
    """A service refused the content of a request: one of the things in it is bad, the others may be good."""

    reason = "refused"


class UnavailableError(EmbeddingError):
    """A service did not answer as it should, and retrying within the function's time did not help."""

    reason = "unavailable"


class OutOfTimeError(EmbeddingError):
    """The function's time ended before this was done."""

    reason = "out of time"


class KeyRefusedError(EmbeddingError):
    """A service refused the API key, also after reading it again."""

    reason = "key refused"


class ConfigurationError(EmbeddingError):
    """Nothing can succeed until somebody changes the configuration."""

    reason = "configuration"
