"""What pages and functions know of OpenAI: where it is, its embedding models, the time that a call may take.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OPENAI_URL: Final = "https://api.openai.com/v1"

MAX_INPUT_TOKENS: Final = 8_191
"""OpenAI documents 8,192, and ada-002 answers null values at that length now and then."""
FIRST_BACKOFF_SECONDS: Final = 0.5
MAX_BACKOFF_SECONDS: Final = 8.0
"""What is waited between the tries of a request: the first, doubled each time up to the second."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What OpenAI says of a model: https://platform.openai.com/docs/guides/embeddings."""

    dimensions: int
    """The default, and the most that can be asked for."""
    shortens: bool
    """Whether fewer dimensions may be asked for."""
    max_tokens: int = MAX_INPUT_TOKENS
    """Per input."""


MODELS: Final = {
    "text-embedding-ada-002": EmbeddingModel(1_536, shortens=False),
    "text-embedding-3-small": EmbeddingModel(1_536, shortens=True),
    "text-embedding-3-large": EmbeddingModel(3_072, shortens=True),
}
ALIASES: Final = {"text-embedding-ada-002-v2": "text-embedding-ada-002"}
"""The first is the name on OpenAI's usage page, and not one that the API accepts."""


def openai_seconds(timeout: float, retries: int) -> float:
    """Return how long a request may take, with all its tries and the waits between them.

    Args:
        timeout: Of one try, in seconds.
        retries: After the first try.
    """
    waits = (min(FIRST_BACKOFF_SECONDS * 2**retry, MAX_BACKOFF_SECONDS) for retry in range(retries))
    return timeout * (retries + 1) + sum(waits)
