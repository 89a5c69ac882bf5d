"""What the program's page and the function must agree on: variables, defaults, limits.

Standard library only, and nothing is read or opened: the program imports this to plan a deployment.
"""

from __future__ import annotations

from typing import Final

from lambdas.shared.contract import Variable
from lambdas.shared.openai_calls.contract import OPENAI_URL

OPENAI_API_KEY: Final = "OPENAI_API_KEY"
PINECONE_API_KEY: Final = "PINECONE_API_KEY"
"""Secrets: they reach the function as `<name>_SECRET_ARN` or `<name>_PARAMETER`."""

OPENAI_BASE_URL: Final = Variable("OPENAI_BASE_URL", OPENAI_URL)
OPENAI_TIMEOUT: Final = Variable("OPENAI_TIMEOUT", 20.0, at_least=0.1, at_most=600)
"""Seconds, of each try of a request."""
OPENAI_MAX_RETRIES: Final = Variable("OPENAI_MAX_RETRIES", 3, at_least=0, at_most=10)
"""After the first try."""
OPENAI_EMBEDDING_MODEL: Final = Variable("OPENAI_EMBEDDING_MODEL", "text-embedding-ada-002")
OPENAI_EMBEDDING_DIMENSIONS: Final = Variable[int | None](
    "OPENAI_EMBEDDING_DIMENSIONS", None, at_least=1, at_most=20_000
)
PINECONE_INDEX_HOST: Final = "PINECONE_INDEX_HOST"
PINECONE_NAMESPACE: Final = "PINECONE_NAMESPACE"
TIKTOKEN_CACHE_DIR: Final = "TIKTOKEN_CACHE_DIR"
"""Variables. The last one is the layer's."""

DEFAULT_NAMESPACE: Final = ""
"""Pinecone's default namespace."""
DEFAULT_NAMESPACE_ALIAS: Final = "__default__"
"""Its other name: https://github.com/pinecone-io/pinecone-python-client/pull/546"""

DELETED_NAMESPACE: Final = "strata-deleted"
"""Where the function keeps that documents were deleted; no message's and no default one."""
LEAST_MEMORY_MB: Final = 160
"""The start alone takes about 130, of Lambda's smallest 128: a test measures it from the layer."""

DEADLINE_RESERVE_SECONDS: Final = 15
"""Of the function's timeout, beside the embeddings call: start-up, the upsert, and the 5 s in which it stops work."""


def namespace_of(name: str) -> str:
    """The one name of a namespace: documents under two names of it would be two, and overwrite each other."""
    return DEFAULT_NAMESPACE if name == DEFAULT_NAMESPACE_ALIAS else name
