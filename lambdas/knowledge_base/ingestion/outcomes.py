"""How an ingestion can end otherwise than well, and what each end means."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.knowledge_base.documents.problem import Code
from lambdas.knowledge_base.errors import ConfigurationError
from lambdas.knowledge_base.ingestion.events import MessageError
from lambdas.shared.pdf.errors import DocumentError
from lambdas.shared.secret import SecretError
from lambdas.shared.tokens import VocabularyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.shared.pdf.errors import Code as ReadingCode


PLACES = 6


class OvertakenError(Exception):
    """The document was deleted, or is another run's now: what this run made of it is of no use."""


class StepError(Exception):
    """A step failed."""

    def __init__(self, code: Code, detail: str, *, may_pass: bool) -> None:
        """Say what failed.

        Args:
            code: for the document's row.
            detail: for the log.
            may_pass: whether the same can succeed later, without anybody's doing.
        """
        super().__init__(detail)
        self.code = code
        self.may_pass = may_pass


class AgainError(Exception):
    """The message has to come again."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        """Args: reason: for the log; seconds: until then; None: longer each time."""
        super().__init__(reason)
        self.seconds = seconds


_KNOWN = (
    AgainError,
    BotoCoreError,
    ClientError,
    ConfigurationError,
    DocumentError,
    MessageError,
    SecretError,
    StepError,
    VocabularyError,
)
_READING: Mapping[ReadingCode, Code] = {
    "not_a_pdf": Code.NOT_A_PDF,
    "encrypted": Code.ENCRYPTED,
    "damaged": Code.DAMAGED,
    "too_large": Code.TOO_LARGE,
    "too_many_pages": Code.TOO_MANY_PAGES,
    "timed_out": Code.TIMED_OUT,
}


def told(error: Exception) -> str:
    """An exception for the log: in its own words where they are known not to quote a document, else where it was."""
    if isinstance(error, _KNOWN):
        return f"{type(error).__name__}: {error}"
    places = traceback.extract_tb(error.__traceback__)[-PLACES:]
    trace = " < ".join(f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in reversed(places))
    return f"{type(error).__name__} at {trace}"


def meaning(error: Exception) -> StepError:
    """What any exception of an ingestion means."""
    detail = told(error)
    match error:
        case StepError():
            return error
        case DocumentError():
            return StepError(_READING.get(error.code, Code.DAMAGED), detail, may_pass=False)
        case ClientError() | BotoCoreError():
            return StepError(Code.STORAGE_FAILED, detail, may_pass=True)
        case ConfigurationError() | SecretError() | VocabularyError():
            return StepError(Code.NOT_CONFIGURED, detail, may_pass=True)
        case _:
            return StepError(Code.INTERNAL, detail, may_pass=True)
