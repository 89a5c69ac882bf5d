"""The ingestion queue: what is put into it, and when what failed comes again."""

from __future__ import annotations

import json
from typing import Any

MOST_DELAY_SECONDS = 900
"""SQS's limit of a delay."""
MOST_VISIBILITY_SECONDS = 43_200
FIRST_WAIT_SECONDS = 10
WAIT_FACTOR = 4


class IngestionQueue:
    """One SQS queue."""

    def __init__(self, client: Any, url: str) -> None:
        """Args: client: botocore's, for SQS; url: INGESTION_QUEUE_URL."""
        self._client = client
        self._url = url

    def send(self, user_id: str, document_id: str, *, delay_seconds: float = 0) -> None:
        """Have a document looked after: read, when it waits for that; removed, when it was deleted.

        Args:
            user_id: whose.
            document_id: which.
            delay_seconds: not before.
        """
        self._client.send_message(
            QueueUrl=self._url,
            MessageBody=json.dumps({"user_id": user_id, "document_id": document_id}),
            DelaySeconds=max(0, min(MOST_DELAY_SECONDS, round(delay_seconds))),
        )

    def postpone(self, receipt_handle: str, seconds: float) -> None:
        """Have a message come again after so many seconds, and not only after the visibility timeout."""
        self._client.change_message_visibility(
            QueueUrl=self._url,
            ReceiptHandle=receipt_handle,
            VisibilityTimeout=max(0, min(MOST_VISIBILITY_SECONDS, round(seconds))),
        )


def wait_seconds(received: int) -> int:
    """Until a message comes again that was received so often: 10 s, 40 s, 160 s, …"""
    return min(MOST_DELAY_SECONDS, FIRST_WAIT_SECONDS * WAIT_FACTOR ** max(0, received - 1))
