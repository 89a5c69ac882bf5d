"""Messages for the embedding function: what they say, and sending many of them.

Owns the limits of SQS, and sending again what the queue did not take.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lambdas.extract_text.errors import QueueError
from lambdas.shared.attempts import Failure, Policy, attempt
from lambdas.shared.batches import packed
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lambdas.extract_text.source import Source
    from lambdas.shared.chunks import Chunk

BATCH_MESSAGES = 10
BATCH_BYTES = 256 * 1024
"""Of a SendMessageBatch. SQS takes four times as much since August 2025; not every endpoint that speaks it does."""
SECONDS = 30.0
"""For one batch, with its retries."""
TRIES = Policy(retries=3, first_wait_seconds=0.2, max_wait_seconds=2.0, try_seconds=SECONDS)


def chunk_messages(source: Source, chunks: Sequence[Chunk], ids: Sequence[str]) -> Iterator[str]:
    """One message for each chunk; pages as texts, because Pinecone takes no list of numbers."""
    for index, (chunk, identity) in enumerate(zip(chunks, ids, strict=True)):
        metadata = {
            "bucket": source.bucket,
            "key": source.key,
            "pages": [str(page) for page in chunk.pages],
            "chunk": index,
        }
        yield json.dumps({"id": identity, "text": chunk.text, "metadata": metadata})


def delete_messages(ids: Iterable[str]) -> Iterator[str]:
    """One message for each id."""
    return (json.dumps({"id": identity, "delete": True}) for identity in ids)


class Queue:
    """One SQS queue."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, bodies: Iterable[str], *, delay_seconds: int = 0) -> int:
        """Send messages.

        Args:
            bodies: ASCII.
            delay_seconds: until they may be received.

        Returns:
            How many were sent, which is all.

        Raises:
            QueueError: the queue refused some, again and again.
            botocore.exceptions.ClientError: it refused all.
        """
        sent = 0
        for batch in packed(bodies, most=BATCH_MESSAGES, size=len, limit=BATCH_BYTES):
            attempt(self._sending(batch, delay_seconds), _refused, TRIES, Deadline.after(SECONDS))
            sent += len(batch)
        return sent

    def _sending(self, batch: Sequence[str], delay_seconds: int) -> Callable[[float], None]:
        """What sends a batch; when it is called again, only what was refused before."""
        left = {str(number): body for number, body in enumerate(batch)}

        def send(_seconds: float) -> None:
            entries = [{"Id": name, "MessageBody": text, "DelaySeconds": delay_seconds} for name, text in left.items()]
            refused = self._client.send_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", [])
            for name in left.keys() - {entry["Id"] for entry in refused}:
                del left[name]
            if refused:
                raise QueueError(f"the queue refused {len(refused)} messages: {refused[0].get('Code')}")

        return send


def _refused(error: Exception) -> Failure | None:
    """Messages that the queue refused are sent again; botocore has tried again whatever else failed."""
    return Failure(error) if isinstance(error, QueueError) else None
