"""A passage of a document, and what a search finds of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """Some text of a page, in the words of a search's answer."""

    document_id: str
    run: str
    """The ingestion that made it."""
    index: int
    """Its place among those of its run, from 0."""
    page: int
    """From 1."""
    start: int
    """Its first character in the page's text, from 0."""
    end: int
    """The character after its last."""
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found."""

    passage: Passage
    score: float
    """0 to 1, higher is better, and relative to the other hits of the same search."""
