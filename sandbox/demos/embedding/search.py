"""Searches what the embedding system stored, with the clients of OpenAI and Pinecone, as an application would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL, DIMENSIONS = "text-embedding-3-small", 384
"""As in Pulumi.local.yaml."""


@dataclass(frozen=True, slots=True)
class Services:
    """Where they are, and the key of each: (URL, key)."""

    openai: tuple[str, str]
    pinecone: tuple[str, str]


def best_matches(services: Services, questions: Sequence[str], count: int) -> list[list[Any]]:
    """The best matches of each question, with their metadata.

    Args:
        services: the two, of a running sandbox.
        questions: texts.
        count: how many matches of each, from 1 to 10,000.

    Raises:
        openai.OpenAIError, pinecone.PineconeException: a service did not take it.
    """
    from openai import OpenAI  # a second of import that only this needs
    from pinecone import Pinecone

    (openai_url, openai_key), (index_url, index_key) = services.openai, services.pinecone
    openai = OpenAI(api_key=openai_key, base_url=f"{openai_url}/v1")
    index = Pinecone(api_key=index_key).Index(host=index_url)
    answer = openai.embeddings.create(model=MODEL, input=list(questions), dimensions=DIMENSIONS)
    found: list[list[Any]] = []
    for item in answer.data:
        matches: Any = index.query(vector=item.embedding, top_k=count, include_metadata=True).matches
        found.append(list(matches))
    return found
