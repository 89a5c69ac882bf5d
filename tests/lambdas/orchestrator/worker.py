"""One environment of the function: takes messages from the queue until it is told to stop, or is killed.

Started by test_deliveries.py. It kills itself, as a crash would, right before or after a commit, by the dice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

import boto3

from coderipple import agent_runner, run
from coderipple.repository import RepositoryWriter
from lambdas.orchestrator import lambda_function
from tests.lambdas.conftest import Context, record

dice = random.Random(int(sys.argv[1]))  # noqa: S311 - no secret
CRASHES = float(sys.argv[2])
QUEUE, STOP = os.environ["WEBHOOK_QUEUE_URL"], Path(sys.argv[3])
SECONDS = 20.0
agent_runner.MODULE = "tests.lambdas.orchestrator.scripted_agent"  # type: ignore[misc]
run.PUBLISH_SECONDS = 4  # type: ignore[misc]
run.LEAST_AGENT_SECONDS = 1  # type: ignore[misc]
create_tree, advance = RepositoryWriter.create_tree, RepositoryWriter.advance


def perhaps_die() -> None:
    if dice.random() < CRASHES:
        os.kill(os.getpid(), signal.SIGKILL)


def create(self: RepositoryWriter, *arguments: object) -> str:
    perhaps_die()
    return create_tree(self, *arguments)  # type: ignore[arg-type]


def advanced(self: RepositoryWriter, *arguments: object) -> None:
    advance(self, *arguments)  # type: ignore[arg-type]
    perhaps_die()


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


RepositoryWriter.create_tree = create  # type: ignore[method-assign]
RepositoryWriter.advance = advanced  # type: ignore[method-assign]
if name := os.environ.get("KILLED_BEFORE"):
    setattr(RepositoryWriter, name, die)
queue = boto3.client("sqs")
while not STOP.exists():
    for message in queue.receive_message(
        QueueUrl=QUEUE, WaitTimeSeconds=1, AttributeNames=["ApproximateReceiveCount"]
    ).get("Messages", []):
        received = int(message["Attributes"]["ApproximateReceiveCount"])
        event = {"Records": [record(json.loads(message["Body"]), message["MessageId"], received=received)]}
        answer = lambda_function.lambda_handler(event, Context(SECONDS))  # type: ignore[arg-type]
        if not answer["batchItemFailures"]:  # type: ignore[typeddict-item]
            queue.delete_message(QueueUrl=QUEUE, ReceiptHandle=message["ReceiptHandle"])
