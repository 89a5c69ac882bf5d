"""What the program's page, the function and its demonstration must agree on: variables, defaults, bounds, tables, keys.

Standard library only, and nothing is read or opened: the program imports this to plan a deployment.
"""

from __future__ import annotations

from typing import Final

from lambdas.shared.contract import Variable
from lambdas.shared.openai_calls.contract import OPENAI_URL

LAYERS: Final = ("fastapi-core", "ai-vectordb", "pdf-processing", "security-auth", "numpy")
"""In the order in which they are attached: as many as Lambda takes."""

JWT_SECRET_KEY: Final = "JWT_SECRET_KEY"  # noqa: S105 - a name
WEAVIATE_API_KEY: Final = "WEAVIATE_API_KEY"
OPENAI_API_KEY: Final = "OPENAI_API_KEY"
"""Secrets: they reach the function as `<name>_SECRET_ARN` or `<name>_PARAMETER`. JWT_SECRET_KEY is one key, or JSON
`{"current", "previous"}`: tokens of the previous one are accepted until they end."""

WEAVIATE_URL: Final = "WEAVIATE_URL"
WEAVIATE_GRPC_URL: Final = Variable[str | None]("WEAVIATE_GRPC_URL", None)
OPENAI_BASE_URL: Final = Variable("OPENAI_BASE_URL", OPENAI_URL)
OPENAI_CHAT_MODEL: Final = "OPENAI_CHAT_MODEL"
OPENAI_EMBEDDING_MODEL: Final = Variable("OPENAI_EMBEDDING_MODEL", "text-embedding-3-small")
REGISTRATION_OPEN: Final = Variable("REGISTRATION_OPEN", default=True)
MAX_PAGES: Final = Variable("MAX_PAGES", 2_000, at_least=1, at_most=10_000)
CHUNK_TOKENS: Final = Variable("CHUNK_TOKENS", 400, at_least=64, at_most=2_048)
"""Fewer hold no thought; more are no passage to cite."""
CHUNK_OVERLAP_TOKENS: Final = Variable("CHUNK_OVERLAP_TOKENS", 60, at_least=0)
ACCESS_TOKEN_SECONDS: Final = Variable("ACCESS_TOKEN_SECONDS", 900, at_least=60, at_most=900)
"""An access token cannot be called back: it lives 15 minutes at most."""
REFRESH_TOKEN_DAYS: Final = Variable("REFRESH_TOKEN_DAYS", 30, at_least=1, at_most=90)
SESSION_DAYS: Final = Variable("SESSION_DAYS", 90, at_least=1, at_most=3_650)
"""A chat's message goes so long after it was written, the session after its last message."""
"""Variables that are config. REGISTRATION_OPEN is `true` or `false`. OPENAI_CHAT_MODEL has no default: models are
retired. WEAVIATE_GRPC_URL is unset where gRPC is at the host of WEAVIATE_URL, as Weaviate Cloud has it."""

USERS_TABLE: Final = "USERS_TABLE"
DOCUMENTS_TABLE: Final = "DOCUMENTS_TABLE"
CHAT_SESSIONS_TABLE: Final = "CHAT_SESSIONS_TABLE"
CHAT_MESSAGES_TABLE: Final = "CHAT_MESSAGES_TABLE"
PDF_STORAGE_BUCKET: Final = "PDF_STORAGE_BUCKET"
INGESTION_QUEUE_URL: Final = "INGESTION_QUEUE_URL"
MAX_RECEIVES: Final = Variable("MAX_RECEIVES", 5, at_least=1, at_most=1_000)
IMAGE_PROCESSOR_LAMBDA_ARN: Final = "IMAGE_PROCESSOR_LAMBDA_ARN"
WIRED: Final = (
    USERS_TABLE,
    DOCUMENTS_TABLE,
    CHAT_SESSIONS_TABLE,
    CHAT_MESSAGES_TABLE,
    PDF_STORAGE_BUCKET,
    INGESTION_QUEUE_URL,
    MAX_RECEIVES,
    IMAGE_PROCESSOR_LAMBDA_ARN,
)
"""Variables that the stack sets. MAX_RECEIVES is the queue's `max_receive_count`: with the last of them a document has
failed, and its row says why. IMAGE_PROCESSOR_LAMBDA_ARN is the alias, unset in a stack without that system."""

TIKTOKEN_CACHE_DIR: Final = "TIKTOKEN_CACHE_DIR"
"""The layer pdf-processing's variable: where the vocabularies are."""

USERS_KEY: Final = ("id", None)
DOCUMENTS_KEY: Final = ("user_id", "document_id")
CHAT_SESSIONS_KEY: Final = ("user_id", "session_id")
CHAT_MESSAGES_KEY: Final = ("session_id", "message_id")
"""Hash and range key of the tables, all strings."""
TABLE_TTL: Final = "expires_at"
"""The attribute of every table with the second after which an item may go."""

UPLOADS_PREFIX: Final = "uploads/"
"""Where presigned uploads land, `uploads/<user>/<document>.pdf`: S3 tells the queue; what stays goes after a day."""
DOCUMENTS_PREFIX: Final = "documents/"
"""`documents/<user>/<document>/original.pdf`: what is kept."""
PAGES_PREFIX: Final = "pages/"
"""`pages/<user>/<document>/<run>/<n>.json`: text and tables of a page."""
IMAGES_PREFIX: Final = "images/"
"""`images/<user>/<document>/…`: what the image processor writes."""
WRITTEN_PREFIXES: Final = (DOCUMENTS_PREFIX, PAGES_PREFIX, IMAGES_PREFIX)
UPLOAD_SUFFIX: Final = ".pdf"
UPLOADS_KEPT_DAYS: Final = 1

_ITEMS: Final = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
TABLES: Final = {
    USERS_TABLE: (USERS_KEY, _ITEMS),
    DOCUMENTS_TABLE: (DOCUMENTS_KEY, (*_ITEMS, "dynamodb:Query")),
    CHAT_SESSIONS_TABLE: (CHAT_SESSIONS_KEY, (*_ITEMS, "dynamodb:Query")),
    CHAT_MESSAGES_TABLE: (
        CHAT_MESSAGES_KEY,
        ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"),
    ),
}
"""The table's key, and what the function does with its items: its role may do no more."""
_DELETE: Final = ("s3:DeleteObject", "s3:DeleteObjectVersion")
OBJECTS: Final = {
    UPLOADS_PREFIX: ("s3:GetObject", "s3:PutObject", *_DELETE),
    DOCUMENTS_PREFIX: ("s3:GetObject", "s3:PutObject", *_DELETE),
    PAGES_PREFIX: ("s3:GetObject", "s3:PutObject", *_DELETE),
    IMAGES_PREFIX: ("s3:GetObject", *_DELETE),
}
"""What the function does with the objects below each prefix. A presigned upload or link may do what its signer may, and
what somebody deletes goes in every version."""

DEFAULT_MEMORY_MB: Final = 3_008
LEAST_MEMORY_MB: Final = 1_024
DEFAULT_TIMEOUT_SECONDS: Final = 300
LEAST_TIMEOUT_SECONDS: Final = 60
"""Of an ingestion; the API answers within API_SECONDS whatever it is."""
DOCUMENTS_AT_ONCE: Final = 1
"""The queue's batch size: an ingestion may take all of the function's time."""
API_SECONDS: Final = 29
"""After which an answer of the API is of no use: HTTP APIs give up at 30."""

ANSWER_SECONDS: Final = 24
"""Of a search or a chat's answer: within API_SECONDS also where the function has to start first."""

MAX_DIRECT_BYTES: Final = 4 * 1024 * 1024
"""Of a file in a request: Lambda takes 6 MB, a third of which is base64."""
MAX_UPLOAD_BYTES: Final = 100 * 1024 * 1024
"""Of a presigned upload."""
UPLOAD_SECONDS: Final = 3_600
"""How long a presigned upload may begin."""
FILE_LINK_SECONDS: Final = 300
"""How long a link to a file or an image works."""

MOST_QUERY: Final = 1_000
MOST_MESSAGE: Final = 4_000
MOST_TITLE: Final = 100
"""Characters of a search, of a chat's message, of its title, without the spaces around them."""
DEFAULT_TITLE: Final = "New chat"
MOST_RESULTS: Final = 50
DEFAULT_RESULTS: Final = 10
MOST_DOCUMENT_IDS: Final = 50
"""That a search, or a chat, can be restricted to."""
