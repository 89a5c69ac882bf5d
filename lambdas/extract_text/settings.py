"""The function's configuration: its environment variables, read and checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.extract_text import contract
from lambdas.extract_text.errors import ConfigurationError
from lambdas.shared.contract import ENCODINGS, overlap_problem
from lambdas.shared.environment import Variables, VariablesError

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTION = "extract_text"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_FOLDER = r"[^/].{0,198}/"
_QUEUE_URL = r"https?://\S+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field for each variable of the contract."""

    result_bucket: str
    result_prefix: str
    """A folder: it ends in `/`."""
    embedding_queue_url: str | None
    """None: chunks are in the result only."""
    dead_letter_queue_url: str | None
    """Where events of documents go that no retry can help. None: they are raised, and Lambda retries them first."""
    chunk_tokens: int
    chunk_overlap_tokens: int
    encoding: str
    max_file_bytes: int
    max_pages: int
    settle_seconds: int

    @property
    def cutting(self) -> list[object]:
        """What decides how a text is cut: another value makes other chunks of the same document."""
        return [self.chunk_tokens, self.chunk_overlap_tokens, self.encoding]

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables; an empty one counts as unset.

        Raises:
            ConfigurationError: names every wrong variable at once.
        """
        read = Variables(environment)
        found = cls(
            result_bucket=read.required(contract.RESULT_BUCKET, pattern=_BUCKET, rule="it has to be a bucket's name"),
            result_prefix=read.text(
                contract.RESULT_PREFIX,
                pattern=_FOLDER,
                rule="it has to end in / and not to begin with it, with 200 characters at most",
            ),
            embedding_queue_url=_queue(read, contract.EMBEDDING_QUEUE_URL),
            dead_letter_queue_url=_queue(read, contract.DEAD_LETTER_QUEUE_URL),
            chunk_tokens=read.number(contract.CHUNK_TOKENS),
            chunk_overlap_tokens=read.number(contract.CHUNK_OVERLAP_TOKENS),
            encoding=read.choice(contract.TIKTOKEN_ENCODING, ENCODINGS),
            max_file_bytes=read.number(contract.MAX_FILE_BYTES),
            max_pages=read.number(contract.MAX_PAGES),
            settle_seconds=read.number(contract.SETTLE_SECONDS),
        )
        if problem := overlap_problem(found.chunk_tokens, found.chunk_overlap_tokens):
            read.problems.append(problem)
        try:
            read.check()
        except VariablesError as error:
            raise ConfigurationError(str(error)) from None
        return found


def _queue(read: Variables, name: str) -> str | None:
    return read.optional(name, pattern=_QUEUE_URL, rule="it has to be a queue's URL")
