"""What the program's page and the function must agree on: variables, defaults, bounds, the time that parts may take.

Standard library only, and nothing is read or opened: the program imports this to plan a deployment.
"""

from __future__ import annotations

from typing import Final

from lambdas.shared.contract import DEFAULT_ENCODING, Variable

RESULT_BUCKET: Final = "RESULT_BUCKET"
RESULT_PREFIX: Final = Variable("RESULT_PREFIX", "extracted/")
EMBEDDING_QUEUE_URL: Final = "EMBEDDING_QUEUE_URL"
DEAD_LETTER_QUEUE_URL: Final = "DEAD_LETTER_QUEUE_URL"
"""The stack sets them, and the first. The two queues may be unset."""
CHUNK_TOKENS: Final = Variable("CHUNK_TOKENS", 512, at_least=32, at_most=8_191)
"""Fewer hold no sentence; more the embedding models do not take."""
CHUNK_OVERLAP_TOKENS: Final = Variable("CHUNK_OVERLAP_TOKENS", 64, at_least=0)
TIKTOKEN_ENCODING: Final = Variable("TIKTOKEN_ENCODING", DEFAULT_ENCODING)
MAX_FILE_BYTES: Final = Variable("MAX_FILE_BYTES", 100 * 1024 * 1024, at_least=1)
MAX_PAGES: Final = Variable("MAX_PAGES", 2_000, at_least=1)
SETTLE_SECONDS: Final = Variable("SETTLE_SECONDS", 120, at_least=0, at_most=900)
"""SQS keeps no order: how long a chunk's message may take until it is embedded. Deletions of chunks that were queued
less than this ago are held back for the rest of it, lest they come first. SQS delays no message longer than that."""

DEFAULT_MEMORY_MB: Final = 2_048
DEFAULT_TIMEOUT_SECONDS: Final = 300

LEAST_MEMORY_MB: Final = 512
LEAST_TIMEOUT_SECONDS: Final = 30
READ_SHARE: Final = 0.7
"""Of the time that is left when a document is begun, for reading it; the rest is for the queue and the result."""
SUFFIXES: Final = (".pdf", ".txt", ".md")
"""Of keys, in any case. Everything else is refused without being fetched."""
