"""A text in parts that fit the model: cut on token boundaries, nothing lost, nothing over the limit.

Owns the tokenizer and the cutting. The parts of a text, joined, are the text.
"""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tiktoken

from lambdas.embedding.errors import ConfigurationError, RejectedMessageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ENCODING = "cl100k_base"
"""Of every model in `settings.MODELS`."""
VOCABULARY_FILE = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""tiktoken's name for it in its cache folder: the SHA-1 of its address."""
MOST_TOKENS_OF_A_CHARACTER = 4
"""It has at most four bytes."""
LEAST_LIMIT = 16
"""Far fewer tokens would leave no room to cut in."""
LONG_WHITESPACE = 100_000
"""Characters. From 999,999 in a row tiktoken's regular expression overflows its stack: a panic, which no `except
Exception` catches."""
MAX_CHUNK_BYTES = 500_000
"""UTF-8. Only whitespace and ruled lines have so much in so few tokens; a server with the same tokenizer is not to be
sent what overflows it, either."""
LOOK_BACK = 0.1
"""The last part of a chunk in which a cut between words is preferred."""


_whitespace = re.compile(r"[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")
"""Unicode's, as tiktoken has it. Python's `\\s` has the separators U+001C to U+001F, too."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a text."""

    text: str
    tokens: int
    """As the API will count them."""


class Tokenizer:
    """tiktoken's cl100k_base, from the layer's copy of the vocabulary."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Load the vocabulary (about 0.15 s).

        Raises:
            ConfigurationError: it is not where TIKTOKEN_CACHE_DIR says; tiktoken would download it at each cold start.
        """
        folder = (os.environ if environment is None else environment).get("TIKTOKEN_CACHE_DIR", "")
        if not folder or not (Path(folder) / VOCABULARY_FILE).is_file():
            raise ConfigurationError(
                f"TIKTOKEN_CACHE_DIR is {folder!r}, and there is no {ENCODING} vocabulary ({VOCABULARY_FILE}) in it: "
                "the layer openai-pinecone brings one, in /opt/tiktoken"
            )
        self._encoding = tiktoken.get_encoding(ENCODING)

    @property
    def name(self) -> str:
        """The encoding's name."""
        return self._encoding.name

    def count(self, text: str) -> int:
        """The tokens of a text, special ones taken as plain text, as the API does."""
        return len(self._tokens(text))

    def split(self, text: str, limit: int) -> list[Chunk]:
        """Cut a text into chunks of at most `limit` tokens and half a megabyte.

        Cuts are between tokens and between characters, and before a space where there is one near the end of a chunk.

        Args:
            text: valid Unicode, not empty.
            limit: tokens, at least 16.

        Returns:
            The chunks in order; one, the text itself, when it fits.
        """
        if limit < LEAST_LIMIT:
            raise ValueError(f"limit is {limit}: it must be at least {LEAST_LIMIT} tokens")
        tokens = self._tokens(text)
        if len(tokens) <= limit and len(text.encode()) <= MAX_CHUNK_BYTES:
            return [Chunk(text, len(tokens))]
        pieces = self._encoding.decode_tokens_bytes(tokens)
        chunks: list[Chunk] = []
        start = 0
        while start < len(pieces):
            end, chunk = self._next(pieces, start, limit)
            chunks.append(chunk)
            start = end
        return chunks

    def _tokens(self, text: str) -> list[int]:
        bounds = itertools.pairwise([0, *_word_boundaries(text, LONG_WHITESPACE), len(text)])
        return list(
            itertools.chain.from_iterable(self._encoding.encode_ordinary(text[start:end]) for start, end in bounds)
        )

    def _next(self, pieces: Sequence[bytes], start: int, limit: int) -> tuple[int, Chunk]:
        """The chunk that begins at a token, and where it ends."""
        sizes = itertools.accumulate(map(len, pieces[start : start + limit]))
        end = start + sum(size <= MAX_CHUNK_BYTES for size in sizes)
        while True:
            end = _boundary(pieces, start, end)
            text = b"".join(pieces[start:end]).decode()
            # A cut can change how its two sides are tokenized, seldom and by little: what counts is what the API sees.
            count = self.count(text)
            if count <= limit:
                return end, Chunk(text, count)
            if end - start <= MOST_TOKENS_OF_A_CHARACTER:
                raise RejectedMessageError(
                    f"a few characters of the text make {count} tokens, and the limit is {limit}"
                )
            end = max(start + MOST_TOKENS_OF_A_CHARACTER, end - (count - limit))


def _word_boundaries(text: str, long: int) -> Iterator[int]:
    """Where cl100k_base's expression itself divides long whitespace, so that cutting there changes no token.

    That is behind its last line break, and before its last character, which belongs to the word that follows.
    """
    if len(text) < long:
        return
    for run in _whitespace.finditer(text):
        if run.end() - run.start() < long:
            continue
        after_lines = max(text.rfind("\n", *run.span()), text.rfind("\r", *run.span())) + 1
        if after_lines:
            yield after_lines
        if run.end() < len(text) and run.end() - 1 > max(after_lines, run.start()):
            yield run.end() - 1


def _boundary(pieces: Sequence[bytes], start: int, end: int) -> int:
    """The last good place to cut, not after `end`: before a space in the last tenth, else between characters."""
    if end == len(pieces):
        return end
    for place in range(end, end - int((end - start) * LOOK_BACK), -1):
        if pieces[place][:1].isspace():
            return place
    while pieces[end][0] & 0xC0 == 0x80:  # noqa: PLR2004  a UTF-8 continuation byte: inside a character
        end -= 1
    return end
