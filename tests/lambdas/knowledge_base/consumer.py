"""The queue's other end: takes messages, gives them to the function, and removes those that it did not report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.knowledge_base import contract
from tests.lambdas.conftest import Context, record

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import World


@dataclass(frozen=True)
class Delivery:
    """One message that was given to the function."""

    body: dict[str, Any]
    received: int
    failed: bool
    wait_seconds: float
    """Until it comes again."""


def turn(world: World, *, seconds: float = 120.0, wait: int = 0) -> list[Delivery]:
    """What Lambda's event source mapping does once; what failed can be received again at once.

    Args:
        world: whose queue.
        seconds: that the function may take.
        wait: seconds for a message to come.
    """
    client, url = world.account.client("sqs"), world.environment[contract.INGESTION_QUEUE_URL]
    found = client.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=600, WaitTimeSeconds=wait
    ).get("Messages", [])
    waits: dict[str, float] = {}
    postpone = world.services.queue.postpone

    def noted(receipt_handle: str, after: float) -> None:
        waits[receipt_handle] = after
        postpone(receipt_handle, 0)

    vars(world.services.queue)["postpone"] = noted
    done: list[Delivery] = []
    for message in found:
        received = int(message["Attributes"]["ApproximateReceiveCount"])
        sent = record(message["Body"], message["MessageId"], received=received)
        answer = give(world, {**sent, "receiptHandle": message["ReceiptHandle"]}, seconds=seconds)
        failed = bool(answer)
        if not failed:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        after = waits.get(message["ReceiptHandle"], 0.0)
        done.append(Delivery(json.loads(message["Body"]), received, failed, after))
    return done


def give(world: World, *records: dict[str, Any], seconds: float = 120.0) -> list[str]:
    """Invoke the function with records; the ids of those that it reports."""
    context: Any = Context(seconds)
    answer = world.services.ingestion.batch({"Records": list(records)}, context)
    return [str(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]


def message(user_id: str, document_id: str, *, received: int = 1, name: str = "m") -> dict[str, Any]:
    """A record of the API's own message."""
    return record({"user_id": user_id, "document_id": document_id}, name, received=received)


def event(world: World, user_id: str, document_id: str, *, received: int = 1, **changes: Any) -> dict[str, Any]:
    """A record of S3's event of an upload."""
    place = {
        "bucket": {"name": world.environment[contract.PDF_STORAGE_BUCKET]},
        "object": {"key": f"uploads/{user_id}/{document_id}.pdf", "sequencer": "0055AED6DCD90281E5"},
    }
    s3 = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Post", "s3": place} | changes
    return record({"Records": [s3]}, "s3", received=received)
