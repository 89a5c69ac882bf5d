"""Pages → chunks, and their tokens counted, in a child with limits: texts can be hostile to a tokenizer, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.shared import child
from lambdas.shared.child import How
from lambdas.shared.chunks import Chunk, chunks
from lambdas.shared.pdf.endings import error_of

if TYPE_CHECKING:
    from lambdas.shared.child_process import Send
    from lambdas.shared.pdf.reading import Budget, Page
    from lambdas.shared.tokens import Tokenizer


def cut(
    pages: list[Page], tokenizer: Tokenizer, limit: int, overlap: int, budget: Budget, *, within_pages: bool = False
) -> list[Chunk]:
    """Cut pages into chunks, and count their tokens.

    Args:
        pages: their `tokens` are set.
        tokenizer: of the embedding model.
        limit: tokens of a chunk.
        overlap: tokens that a chunk repeats of the one before.
        budget: for all of it.
        within_pages: whether no chunk goes on over a page.

    Raises:
        DocumentError: the texts are too large for the budget.
    """
    found: list[Chunk] = []
    texts = [(page.number, page.text) for page in pages]

    def work(send: Send) -> list[int]:
        for together in [[text] for text in texts] if within_pages else [texts]:
            for chunk in chunks(together, tokenizer, limit, overlap):
                send([chunk.text, chunk.tokens, chunk.pages, chunk.start])
        return [tokenizer.count(page.text) for page in pages]

    def receive(value: Any, _: bytes) -> None:
        text, tokens, numbers, start = value
        found.append(Chunk(text, tokens, tuple(numbers), start))

    ending = child.run(work, budget.limits(), receive)
    budget.watch("chunks", ending)
    if ending.how is not How.FINISHED:
        raise error_of("cutting it into chunks", ending)
    for page, tokens in zip(pages, ending.value, strict=True):
        page.tokens = tokens
    return found
