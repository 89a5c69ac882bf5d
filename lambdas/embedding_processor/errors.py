"""Why a file is not embedded: one class per reason. What is said in them goes to the log, without secrets and texts."""

from __future__ import annotations

from typing import Literal

Refusal = Literal["binary", "too_large", "empty", "unreadable", "unusable_key"]
"""`contract.REFUSED_REASONS`."""


class ProcessorError(Exception):
    """A file, or several, cannot be done now; the event is tried again."""


class RefusedFileError(Exception):
    """A file that no retry can help."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason: Refusal = reason
        self.message = message


class ConfigurationError(ProcessorError):
    """Nothing can succeed until somebody changes the configuration, the database or the model."""


class ModelError(ConfigurationError):
    """The model cannot be loaded: a file is missing or damaged, or it is one that is not understood here."""


class TooManyTokensError(ValueError):
    """A text that does not fit the model: it would have to be cut, and nothing is cut silently."""


class KeyRefusedError(ProcessorError):
    """Supabase refused the key, also after the parameter was read again."""


class UnavailableError(ProcessorError):
    """Supabase did not answer as it should, and retrying within the function's time did not help."""


class OutOfTimeError(ProcessorError):
    """The function's time ended before the file was done; what is staged is kept for the next attempt."""


class DeniedError(ProcessorError):
    """S3 does not let the function's role read the object; also what it says of one that is not there."""
