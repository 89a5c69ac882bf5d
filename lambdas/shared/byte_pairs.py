"""Tokens of any text in time that grows with its length only, and exactly those of tiktoken.

Owns which texts tiktoken is not given, and the byte pair encoding of their long words in n log n steps.

tiktoken before 0.12 looks through the whole of a word for each pair that it joins: 256 KiB without a boundary take it
30 s. Python 3.11 on Lambda gets no newer one (the wheels need a newer glibc).
"""

from __future__ import annotations

import heapq
import re
from array import array
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import regex
    import tiktoken

LONG_RUN = 1_000
"""Characters of one kind, from which on a text is looked at closely. A piece of tiktoken's expression is of one kind,
and line ends behind it: shorter runs make pieces of at most 5,000 bytes, which cost it 10 ms each."""
LONG_PIECE = 4_000
"""Bytes. About here its n² costs what n log n costs in Python: at 200 bytes it is twenty times as fast."""
LONG_WHITESPACE = 100_000
"""Characters. From 999,999 in a row the expression overflows tiktoken's stack: a panic, which no `except Exception`
catches."""
FAST_SINCE = (0, 12)

KINDS = (r"[\p{L}\p{M}\p{Cn}]", r"[^\s\p{L}\p{N}]", r"\s")
"""Of which the pieces of every encoding in `contract.ENCODINGS` are, but for a character before and some behind. What
is a letter in a newer Unicode only is of both kinds that it can be."""
_long_whitespace = re.compile(rf"(?<!\s)\s{{{LONG_WHITESPACE}}}")


class BytePairs:
    """The tokens of texts, also of those that tiktoken takes too long for, or panics at."""

    def __init__(self, encoding: tiktoken.Encoding, version: str) -> None:
        """Prepare.

        Args:
            encoding: whose tokens these are.
            version: of tiktoken.
        """
        self._encoding: Any = encoding  # its private parts are used as tiktoken's own _educational does
        self._slow = tuple(map(int, version.split(".")[:2])) < FAST_SINCE
        self._ranks: Mapping[bytes, int] = self._encoding._mergeable_ranks  # noqa: SLF001

    @cached_property
    def _pieces(self) -> regex.Pattern[str]:
        return _compiled(self._encoding._pat_str)  # noqa: SLF001

    @cached_property
    def _long_run(self) -> regex.Pattern[str]:
        # Looked for from where a run begins: from each of its characters it would be n² for runs just too short.
        return _compiled("|".join(f"(?<!{kind}){kind}{{{LONG_RUN}}}" for kind in KINDS))

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text, special ones taken as plain text, as the API does."""
        if self.is_hard(text):
            return self.tokens_by_piece(text)
        return self._encoding.encode_ordinary(text)

    def is_hard(self, text: str) -> bool:
        """Whether a text is better not given to tiktoken whole."""
        return (self._long_run if self._slow else _long_whitespace).search(text) is not None

    def tokens_by_piece(self, text: str) -> list[int]:
        """The tokens of a text, each piece of it encoded by who is quicker."""
        found: list[int] = []
        for match in self._pieces.finditer(text):
            piece = match[0].encode()
            if self._slow and len(piece) >= LONG_PIECE:
                found += joined(piece, self._ranks)
            else:
                found += self._encoding._encode_single_piece(piece)  # noqa: SLF001
        return found


def _compiled(expression: str) -> regex.Pattern[str]:
    import regex  # 28 ms of a cold start, for texts that hardly ever come

    return regex.compile(expression)


def joined(piece: bytes, ranks: Mapping[bytes, int]) -> list[int]:
    """Join the pair of the lowest rank, the first of equals, until no pair is a token.

    Args:
        piece: what tiktoken's expression leaves whole.
        ranks: tokens by their bytes; the rank is the token's number.
    """
    size = len(piece)
    # A part is named by where it begins: where the next begins, where the one before does, and its rank with the next.
    ends, before = array("q", range(1, size + 1)), array("q", range(-1, size - 1))
    none = -1
    pairs = array("q", [ranks.get(piece[start : start + 2], none) for start in range(size - 1)] + [none])
    heap = [rank * size + start for start, rank in enumerate(pairs) if rank != none]
    heapq.heapify(heap)
    while heap:
        rank, start = divmod(heapq.heappop(heap), size)
        if pairs[start] != rank:  # joined with something else in the meantime
            continue
        middle = ends[start]
        end = ends[start] = ends[middle]
        pairs[middle] = none
        if end < size:
            before[end] = start
            pairs[start] = ranks.get(piece[start : ends[end]], none)
            if pairs[start] != none:
                heapq.heappush(heap, pairs[start] * size + start)
        else:
            pairs[start] = none
        first = before[start]
        if first >= 0:
            pairs[first] = ranks.get(piece[first:end], none)
            if pairs[first] != none:
                heapq.heappush(heap, pairs[first] * size + first)
    found: list[int] = []
    start = 0
    while start < size:
        found.append(ranks[piece[start : ends[start]]])
        start = ends[start]
    return found
