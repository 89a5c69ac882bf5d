"""The embedding system under faults: what can happen at OpenAI and at the index, and that each text has its vector.

An upsert that arrives at the index means "embedded, not stored", and one that was answered "stored, not replied".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from sandbox.chaos import Chaos, Options
from sandbox.chaos.plan import Kind
from sandbox.chaos.wrapped import of_a_queue
from sandbox.demos.embedding.messages import make_messages, with_duplicates
from sandbox.demos.embedding.verdict import judge
from sandbox.standins.faults import Fault

if TYPE_CHECKING:
    from sandbox.chaos.ending import Ending
    from sandbox.chaos.verdict import Verdict
    from sandbox.cloud import LocalCloud

FUNCTION: Final = "embedding"
OPENAI: Final = "openai"
INDEX: Final = "pinecone"
DIMENSIONS: Final = 384
PAGE: Final = 50
"""Ids that are fetched at once: they travel in the address."""

_HTML = "<html><body>502 Bad Gateway</body></html>"
KINDS: Final = (
    Kind(OPENAI, "kill", "process killed while it waits for the embeddings", 3),
    Kind(OPENAI, "rotate", "a new key in Secrets Manager; the old one is refused from now on", 1),
    Kind(OPENAI, "down", "OpenAI down for a while", 1),
    Kind(OPENAI, "429", "429 with Retry-After", 4, Fault(429, headers={"retry-after": "1"})),
    Kind(OPENAI, "500", "500", 4, Fault(500)),
    Kind(OPENAI, "timeout", "no answer for longer than the client waits", 2, Fault(delay_seconds=8)),
    Kind(OPENAI, "malformed", "200 with broken JSON", 3, Fault(body='{"object": "list", "data": [')),
    Kind(OPENAI, "drop", "connection closed before the work", 2, Fault(drop="before")),
    Kind(OPENAI, "cut", "connection closed in the middle of the answer", 2, Fault(drop="body")),
    Kind(INDEX, "kill-before", "process killed between embed and upsert: the index has not seen it", 8),
    Kind(INDEX, "kill-after", "process killed between upsert and reply: the index has stored it", 8),
    Kind(INDEX, "lose-answer", "process killed after its work, before its answer reaches the queue", 6),
    Kind(INDEX, "restart-before", "index server killed with the upsert in hand, started again", 1),
    Kind(INDEX, "restart-after", "index server killed when it has stored, before it answers; started again", 1),
    Kind(INDEX, "rotate", "a new key in Secrets Manager; the old one is refused from now on", 1),
    Kind(INDEX, "down", "the index down for a while", 1),
    Kind(INDEX, "429", "429 with Retry-After", 2, Fault(429, headers={"retry-after": "1"})),
    Kind(INDEX, "503", "503", 3, Fault(503)),
    Kind(INDEX, "malformed", "200 with a page of HTML", 2, Fault(body=_HTML)),
    Kind(INDEX, "drop", "connection closed before the work", 2, Fault(drop="before")),
    Kind(INDEX, "drop-after", "stored, then the connection closed without an answer", 3, Fault(drop="after")),
)


class _Work:
    """One seed's messages."""

    def __init__(self, options: Options) -> None:
        self._messages = make_messages(options.seed, options.messages)
        self._bodies = with_duplicates(options.seed, self._messages, options.duplicates)
        good = sum(message.text is not None for message in self._messages)
        batches = math.ceil(good / options.batch_size)
        self.requests = {OPENAI: batches, INDEX: batches}
        self.sent = len(self._bodies)

    def send(self, cloud: LocalCloud) -> None:
        """All of it into the queue."""
        cloud.send(*self._bodies, function=FUNCTION)

    def judge(self, ending: Ending) -> Verdict:
        """Compare the index with direct embeddings of the texts."""
        return judge(
            self._messages, self.sent, vectors(ending), ending.dead[FUNCTION], ending.cloud.state(OPENAI).model
        )


def vectors(ending: Ending) -> dict[str, list[float]]:
    """All that the index holds of single texts, id → values, over its API. Chunks of documents are another system's."""
    return {
        name: found["values"] for name, found in stored(ending).items() if "bucket" not in found.get("metadata", {})
    }


def stored(ending: Ending) -> dict[str, dict[str, Any]]:
    """All that the index holds, id → vector with metadata."""
    ids: list[str] = []
    token = ""
    while True:
        page = ending.get(INDEX, f"/vectors/list?limit=100{f'&paginationToken={quote(token)}' if token else ''}")
        ids += [entry["id"] for entry in page["vectors"]]
        token = page.get("pagination", {}).get("next", "")
        if not token:
            break
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), PAGE):
        names = "&".join(f"ids={quote(name, safe='')}" for name in ids[start : start + PAGE])
        found |= ending.get(INDEX, f"/vectors/fetch?{names}")["vectors"]
    return found


def _config(options: Options) -> dict[str, Any]:
    """Short timeouts, so faults are short too."""
    return {
        "queue": {"batch_size": options.batch_size},
        "dimensions": DIMENSIONS,
        "timeout_seconds": 30,
        "openai_timeout_seconds": 2.5,
        "openai_max_retries": 3,
    }


CHAOS: Final = Chaos(
    messages=1_000,
    kinds=KINDS,
    counted={OPENAI: "POST /v1/embeddings", INDEX: "POST /vectors/upsert"},
    make=_Work,
    controls=of_a_queue(FUNCTION),
    config=_config,
    processes={INDEX: {"dimension": DIMENSIONS, "on_disk": True}},
)
