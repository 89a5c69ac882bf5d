"""A text in parts that fit the model: cut on token boundaries, nothing lost but blank parts, nothing over the limit.

Owns the tokenizer and the cutting. The parts of a text, joined, are the text, but for parts that show nothing: those
are no parts, since a vector of nothing is found by searches for anything.
"""

from __future__ import annotations

import binascii
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tiktoken
from tiktoken_ext import openai_public

from lambdas.embedding.errors import RejectedMessageError
from lambdas.shared.blank import is_blank
from lambdas.shared.byte_pairs import BytePairs
from lambdas.shared.work_errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENCODING = "cl100k_base"
"""Of every model in `settings.MODELS`."""
VOCABULARY_FILE = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
"""tiktoken's name for it in its cache folder: the SHA-1 of its address."""
MOST_TOKENS_OF_A_CHARACTER = 4
"""It has at most four bytes."""
LEAST_LIMIT = 16
"""Far fewer tokens would leave no room to cut in."""
MAX_CHUNK_BYTES = 500_000
"""UTF-8. Only whitespace and ruled lines have so much in so few tokens; a server with the same tokenizer is not to be
sent what overflows it, either."""
LOOK_BACK = 0.1
"""The last part of a chunk in which a cut between words is preferred."""


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
        self._encoding = _encoding(Path(folder) / VOCABULARY_FILE)
        self._byte_pairs = BytePairs(self._encoding, tiktoken.__version__)

    @property
    def name(self) -> str:
        """The encoding's name."""
        return self._encoding.name

    def count(self, text: str) -> int:
        """The tokens of a text, special ones taken as plain text, as the API does."""
        return len(self._byte_pairs.tokens(text))

    def split(self, text: str, limit: int) -> list[Chunk]:
        """Cut a text into chunks of at most `limit` tokens and half a megabyte.

        Cuts are between tokens and between characters, and before a space where there is one near the end of a chunk.

        Args:
            text: valid Unicode, not empty.
            limit: tokens, at least 16.

        Returns:
            The chunks in order, without blank ones; one, the text itself, when it fits.
        """
        if limit < LEAST_LIMIT:
            raise ValueError(f"limit is {limit}: it must be at least {LEAST_LIMIT} tokens")
        tokens = self._byte_pairs.tokens(text)
        if len(tokens) <= limit and len(text.encode()) <= MAX_CHUNK_BYTES:
            return [Chunk(text, len(tokens))]
        pieces = self._encoding.decode_tokens_bytes(tokens)
        chunks: list[Chunk] = []
        start = 0
        while start < len(pieces):
            end, chunk = self._next(pieces, start, limit)
            if not is_blank(chunk.text):
                chunks.append(chunk)
            start = end
        return chunks

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


def _encoding(file: Path) -> tiktoken.Encoding:
    """tiktoken's encoding, its vocabulary read in half the time: the layer's build has checked the file's hash."""
    parts = file.read_bytes().split()
    ranks = dict(zip(map(binascii.a2b_base64, parts[::2]), map(int, parts[1::2]), strict=True))
    usual = openai_public.load_tiktoken_bpe

    def load(*_: object, **__: object) -> dict[bytes, int]:
        return ranks

    openai_public.load_tiktoken_bpe = load
    try:
        return tiktoken.get_encoding(ENCODING)
    finally:
        openai_public.load_tiktoken_bpe = usual


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
