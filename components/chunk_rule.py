"""The rule of systems that cut texts into overlapping chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Chunked(Protocol):
    """The part of a section that is needed here."""

    chunk_tokens: int
    chunk_overlap_tokens: int


def chunks_advance(too_large: Callable[[int, int], bool]) -> Callable[[Chunked], str | None]:
    """Make the rule that an overlap may not be so large that chunks would hardly advance.

    Args:
        too_large: what the functions say of a chunk's tokens and its overlap's.
    """

    def rule(section: Chunked) -> str | None:
        if not too_large(section.chunk_tokens, section.chunk_overlap_tokens):
            return None
        return (
            f"is {section.chunk_overlap_tokens}, and chunks have {section.chunk_tokens} tokens: every text would be "
            f"embedded twice and more. Lower it to {section.chunk_tokens // 2} at most, or raise chunk_tokens."
        )

    return rule
