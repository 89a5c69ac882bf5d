"""What the program's page and the function must agree on: variables, defaults, bounds, the time that parts may take.

Standard library only, and nothing is read or opened: the program imports this to plan a deployment.
"""

from __future__ import annotations

from typing import Final

RESULT_BUCKET: Final = "RESULT_BUCKET"
RESULT_PREFIX: Final = "RESULT_PREFIX"
EMBEDDING_QUEUE_URL: Final = "EMBEDDING_QUEUE_URL"
DEAD_LETTER_QUEUE_URL: Final = "DEAD_LETTER_QUEUE_URL"
CHUNK_TOKENS: Final = "CHUNK_TOKENS"
CHUNK_OVERLAP_TOKENS: Final = "CHUNK_OVERLAP_TOKENS"
TIKTOKEN_ENCODING: Final = "TIKTOKEN_ENCODING"
MAX_FILE_BYTES: Final = "MAX_FILE_BYTES"
MAX_PAGES: Final = "MAX_PAGES"
SETTLE_SECONDS: Final = "SETTLE_SECONDS"
"""Variables. The two queues may be unset."""

DEFAULT_PREFIX: Final = "extracted/"
DEFAULT_CHUNK_TOKENS: Final = 512
DEFAULT_OVERLAP_TOKENS: Final = 64
DEFAULT_MAX_FILE_BYTES: Final = 100 * 1024 * 1024
DEFAULT_MAX_PAGES: Final = 2_000
DEFAULT_SETTLE_SECONDS: Final = 120
"""SQS keeps no order: how long a chunk's message may take until it is embedded. Deletions of chunks that were queued
less than this ago are held back for the rest of it, lest they come first."""
DEFAULT_MEMORY_MB: Final = 2_048
DEFAULT_TIMEOUT_SECONDS: Final = 300

CHUNK_TOKENS_BOUNDS: Final = (32, 8_191)
"""Fewer hold no sentence; more the embedding models do not take."""
LEAST_MEMORY_MB: Final = 512
LEAST_TIMEOUT_SECONDS: Final = 30
READ_SHARE: Final = 0.7
"""Of the time that is left when a document is begun, for reading it; the rest is for the queue and the result."""
SUFFIXES: Final = (".pdf", ".txt", ".md")
"""Of keys, in any case. Everything else is refused without being fetched."""
