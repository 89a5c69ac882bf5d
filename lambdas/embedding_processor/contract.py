"""What the program's page, the migrations and the function must agree on: variables, defaults, bounds, rows, calls.

Standard library only, and nothing is read or opened: the program imports this to plan a deployment.

**The protocol with the database.** A key's rows change in one transaction, and only when the event is not older than
the one that the key's rows are from. Three calls (PostgREST's `POST /rest/v1/rpc/<name>`, arguments by name as JSON,
executable by `service_role` alone) keep to that; a table `content_embedding_sources` of the migration has one row a
key: `key` (primary key), `sequencer`, `generation`, `updated_at`; it stays when a key's rows go, because a late event
may come.

1. `begin_content_embeddings(source_key text, event_sequencer text, source_generation text) → jsonb`
   `{"state": "outdated" | "done" | "open", "staged": n}`. Locks the key. "outdated": the recorded sequencer is newer,
   and nothing changes. "done": the recorded generation is this one; the recorded sequencer becomes the newer of both.
   Else "open": staged rows of the key of another generation are deleted, and `staged` says how many of this one there
   are, so an invocation goes on where one before it ran out of time. "" as a generation is never "done". 2.
   `stage_content_embeddings(source_key text, source_generation text, rows jsonb) → integer` Upserts rows of a long
   document into `content_embeddings_staged` (no vector index; nobody searches it); returns how many are staged of this
   generation. Rows come in order of `chunk`. 3. `replace_content_embeddings(source_key text, event_sequencer text,
   source_generation text, rows jsonb) → jsonb` `{"state": "replaced" | "outdated", "written": n, "removed": n}`. Locks
   the key. "outdated" as above: nothing changes but that the staged rows of this generation go. Else, in one
   transaction: rows that are staged of this generation and the given ones are upserted (a row whose content, embedding
   and metadata are there already is not touched, and keeps `created_at`), every other row of the key is deleted, staged
   rows of the key go, sequencer and generation are recorded. `rows = []` with nothing staged removes the document; the
   generation is "" then, or the refused file's.

   Sequencers are hexadecimal; the shorter one is padded with zeros on its right, then they are compared as text
   (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html). Equal is not older. ""
   is older than every other.

A row in `rows` is an object with exactly `ROW_FIELDS`, the embedding as a list of numbers.
`content_embeddings_dimension() → integer` says the table's dimension; `match_content_embeddings(query_embedding,
match_count, filter)` searches. An embedding of another length is refused with SQLSTATE 22000 (pgvector's own), a
missing function with PGRST202."""

from __future__ import annotations

import math
from typing import Final

from lambdas.shared.contract import Variable

SSM_PARAMETER_NAME: Final = Variable("SSM_PARAMETER_NAME", "/proofmark/supabase/config")
MODEL_PATH: Final = Variable("MODEL_PATH", "/opt/model")
MODEL_URI: Final = Variable[str | None]("MODEL_URI", None)
MODEL_SHA256: Final = Variable[str | None]("MODEL_SHA256", None)
EMBEDDER: Final = Variable("EMBEDDER", "onnx")
CHUNK_TOKENS: Final = Variable("CHUNK_TOKENS", 256, at_least=32, at_most=8_192)
"""Of what the model is given, its prompt and special tokens included; its own limit counts when that is lower."""
CHUNK_OVERLAP_TOKENS: Final = Variable("CHUNK_OVERLAP_TOKENS", 32, at_least=0)
POOLING: Final = Variable("POOLING", "chunks")
MAX_FILE_BYTES: Final = Variable("MAX_FILE_BYTES", 10 * 1024 * 1024, at_least=1)
DEAD_LETTER_QUEUE_URL: Final = "DEAD_LETTER_QUEUE_URL"
"""Variables. The last one is wired: where events of refused files go at once. `MODEL_URI` (`s3://bucket/key.tar`) and
`MODEL_SHA256` are both set or both unset: unset, the model is in the folder `MODEL_PATH`."""

SUPABASE_CONFIG: Final = "SUPABASE_CONFIG"
"""What `ops secret set` calls the value of the parameter: JSON `{"url", "service_key"}`."""

DEFAULT_MEMORY_MB: Final = 3_008
DEFAULT_TIMEOUT_SECONDS: Final = 900
LEAST_MEMORY_MB: Final = 768
"""The start takes 160 with ONNX Runtime 1.32, 400 on python3.11 with its 1.16: a test measures it in the layers."""
LEAST_TORCH_MEMORY_MB: Final = 1_536
"""Torch's start takes up to 970: `python -m benchmarks.embedding_processor`."""
LEAST_TIMEOUT_SECONDS: Final = 30

EMBEDDERS: Final = ("onnx", "sentence-transformers")
"""`onnx`: ONNX Runtime, of the packagings `onnx-layers` and `onnx-image`. The other one is the reference, of
`torch-image`, whose layer sets the variable."""

TABLE: Final = "content_embeddings"
ROW_FIELDS: Final = ("id", "content", "key", "embedding", "metadata")
"""`id`: SHA-256 (hex) over bucket, key, content and chunk position. `key`: `<bucket>/<key>`, as `source_key`.
`created_at` is the database's."""
METADATA_FIELDS: Final = (
    "bucket",
    "key",
    "version_id",
    "etag",
    "chunk",
    "chunks",
    "model",
    "revision",
    "quantization",
)
"""`version_id` is null in a bucket without versions; `chunk` counts from 0; `chunks` is how many the document has."""
BEGIN: Final = "begin_content_embeddings"
STAGE: Final = "stage_content_embeddings"
REPLACE: Final = "replace_content_embeddings"
DIMENSION: Final = "content_embeddings_dimension"
MATCH: Final = "match_content_embeddings"
MAX_REQUEST_ROWS: Final = 64
MAX_REQUEST_BYTES: Final = 1_000_000
"""Of one stage or replace call. A row that is larger (`POOLING=document`) goes alone."""

DISCONNECT_SECONDS: Final = 15
"""Of a function's time, for what comes behind the last vector: the database, the answer, the logs."""

REFUSED_REASONS: Final = ("binary", "too_large", "empty", "unreadable", "unusable_key")
"""Dimension `reason` of the metric `FilesRefused`, and `errorType` of the event in the dead-letter queue."""

MB_OF_A_PROCESSOR: Final = 1_769
"""Lambda gives a function one virtual CPU for so much memory:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html."""
TOKENS_A_SECOND: Final = 2_400
"""That a virtual CPU embeds with the shipped model, at least, in chunks of 256: a core here makes more than twice as
many (`python -m benchmarks.embedding_processor`), and not every CPU of Lambda's has its instructions. A larger model
takes its size's share longer."""
TORCH_TOKENS_A_SECOND: Final = 960
"""The same in torch, which makes 0.4 times as many there."""
BYTES_A_TOKEN: Final = 4
"""Of English; of other languages it is between two and four."""
ATTEMPTS: Final = 3
"""Of an event, by Lambda; each goes on where the one before stopped."""


def seconds_for(file_bytes: int, memory_mb: int, tokens_a_second: int = TOKENS_A_SECOND) -> int:
    """How long the shipped model takes for a file, about, with the default chunks.

    Args:
        file_bytes: Of English text.
        memory_mb: Of the function, which decides how much of a processor it has.
        tokens_a_second: That a virtual CPU embeds.
    """
    chunk, overlap = CHUNK_TOKENS.default, CHUNK_OVERLAP_TOKENS.default
    embedded = file_bytes / BYTES_A_TOKEN * chunk / (chunk - overlap)
    return math.ceil(embedded / (tokens_a_second * memory_mb / MB_OF_A_PROCESSOR))
