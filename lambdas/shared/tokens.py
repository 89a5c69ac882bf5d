"""The tokenizer: tiktoken, with a vocabulary of the layer's."""

from __future__ import annotations

import binascii
import hashlib
import itertools
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import tiktoken
from tiktoken_ext import openai_public

from lambdas.shared.byte_pairs import BytePairs
from lambdas.shared.contract import ENCODINGS, TIKTOKEN_CACHE_DIR

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PIECE_CHARACTERS = 50_000
"""Longer texts are counted in pieces: the tokens of a whole one would take several times its memory."""
_between_words = re.compile(r"(?<=\S)(?= \S)")
"""Where every encoding begins a new token."""


class VocabularyError(Exception):
    """The layer's vocabulary is not where it has to be, or is another."""


class Tokenizer:
    """Counts tokens as the embedding model will."""

    def __init__(self, encoding: str) -> None:
        """Load the vocabulary (about 0.1 s).

        Raises:
            VocabularyError: it is not where TIKTOKEN_CACHE_DIR says; tiktoken would download it at each cold start.
        """
        folder = os.environ.get(TIKTOKEN_CACHE_DIR, "")  # as tiktoken does
        file = ENCODINGS[encoding]
        if not folder or not (Path(folder) / file).is_file():
            raise VocabularyError(
                f"{TIKTOKEN_CACHE_DIR} is {folder!r}, and there is no {encoding} vocabulary ({file}) in it: the "
                "function's layer brings one, in /opt/tiktoken"
            )
        with _read_at_once(Path(folder) / file):
            self._encoding = tiktoken.get_encoding(encoding)
        self._byte_pairs = BytePairs(self._encoding, tiktoken.__version__)

    @property
    def name(self) -> str:
        """The encoding's name."""
        return self._encoding.name

    def count(self, text: str) -> int:
        """Return the tokens of a text, special ones taken as plain text, as the API does."""
        return sum(len(self._byte_pairs.tokens(piece)) for piece in _pieces(text))


@contextmanager
def _read_at_once(file: Path) -> Generator[None]:
    """Within, tiktoken's encodings take their vocabulary from here: line by line it is a tenth of the function's start.

    Args:
        file: the vocabulary.
    """

    def ranks(_address: str, expected_hash: str | None = None) -> dict[bytes, int]:
        data = file.read_bytes()
        if expected_hash not in {None, hashlib.sha256(data).hexdigest()}:
            raise VocabularyError(f"{file} is not the vocabulary that tiktoken knows: the layer is damaged")
        words = data.split()
        return dict(zip(map(binascii.a2b_base64, words[::2]), map(int, words[1::2]), strict=True))

    own = openai_public.load_tiktoken_bpe
    openai_public.load_tiktoken_bpe = ranks
    try:
        yield
    finally:
        openai_public.load_tiktoken_bpe = own


def _pieces(text: str) -> Iterator[str]:
    """A long text cut between words; where it has none for long, anywhere."""
    cuts = [0]
    while len(text) - cuts[-1] > PIECE_CHARACTERS:
        start = cuts[-1] + PIECE_CHARACTERS // 2
        found = _between_words.search(text, start, cuts[-1] + PIECE_CHARACTERS)
        cuts.append(found.start() if found else cuts[-1] + PIECE_CHARACTERS)
    return (text[start:end] for start, end in itertools.pairwise([*cuts, len(text)]))
