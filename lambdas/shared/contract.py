"""What pages and functions of several systems must agree on. Standard library only."""

from __future__ import annotations

from typing import Final, Generic, Self, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Variable(str, Generic[T_co]):
    """A variable's name, with what it counts as when it is unset and, of a number, its bounds.

    Said once in a contract: the page declares its config key with it, the function reads it with it.
    """

    __slots__ = ("at_least", "at_most", "default")
    default: T_co
    at_least: float | None
    at_most: float | None
    """Both included; None where there is none."""

    def __new__(cls, name: str, default: T_co, *, at_least: float | None = None, at_most: float | None = None) -> Self:
        """Make the name."""
        made = super().__new__(cls, name)
        made.default, made.at_least, made.at_most = default, at_least, at_most
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str, T_co], dict[str, float | None]]:
        """What a copy in another process is made with."""
        return (str(self), self.default), {"at_least": self.at_least, "at_most": self.at_most}


TIKTOKEN_CACHE_DIR: Final = "TIKTOKEN_CACHE_DIR"
"""Variable of a layer with a vocabulary: the folder that it is in."""
ENCODINGS: Final = {
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
}
"""Those whose vocabulary layers hold, and tiktoken's name for the file: the SHA-1 of its address."""
DEFAULT_ENCODING: Final = "cl100k_base"

PARENT_MEMORY_MB: Final = 384
"""Of the function's memory, beside what a child may use: the interpreter, the libraries, a document's texts."""
MEMORY_PER_FILE: Final = 4
"""A child needs so many times a file's size, at least: the file itself, and what is made of it."""


def child_memory_bytes(memory_mb: int) -> int:
    """What a child that reads a document may use beyond what it starts with, in a function of this size."""
    return (memory_mb - PARENT_MEMORY_MB) * 1024 * 1024


def overlap_is_too_large(chunk_tokens: int, overlap_tokens: int) -> bool:
    """Whether chunks would hardly advance: the overlap may be half of a chunk at most."""
    return overlap_tokens * 2 > chunk_tokens


def overlap_problem(chunk_tokens: int, overlap_tokens: int) -> str | None:
    """That rule as a function tells of it, which knows its variables; None where it holds."""
    if not overlap_is_too_large(chunk_tokens, overlap_tokens):
        return None
    return (
        f"CHUNK_OVERLAP_TOKENS is {overlap_tokens}, and chunks have {chunk_tokens} tokens: it may be "
        f"{chunk_tokens // 2} at most"
    )
