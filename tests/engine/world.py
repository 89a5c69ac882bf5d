"""Where the functions of the engine's stacks run, and what they call: Lambda host, OpenAI and Pinecone stand-ins."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.lambda_host import LambdaHost
from sandbox.standins.faults import Fault
from sandbox.standins.openai.minilm import MiniLM
from sandbox.standins.openai.server import OpenAIState
from sandbox.standins.openai.server import create_app as openai_app
from sandbox.standins.pinecone.server import IndexSpec, PineconeState
from sandbox.standins.pinecone.server import create_app as pinecone_app
from sandbox.standins.serving import Server
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from contextlib import ExitStack

    from sandbox.account import Account
    from sandbox.workspace import Workspace

WAIT_SECONDS = 60.0


@dataclass(slots=True)
class World:
    """Everything outside the stack that its functions meet."""

    account: Account
    workspace: Workspace
    host: LambdaHost
    openai: OpenAIState
    pinecone: PineconeState
    openai_url: str
    pinecone_url: str
    sent: int = field(default=0)

    def send(self, queue_url: str, body: dict[str, Any] | str) -> None:
        """Put a message into a function's queue."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.account.client("sqs").send_message(QueueUrl=queue_url, MessageBody=text)

    def left(self, queue_url: str) -> int:
        """Messages that a queue holds, those in work included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.account.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def until_left(self, queue_url: str, count: int) -> None:
        """Wait until a queue holds so many messages."""
        until(lambda: self.left(queue_url) == count, f"{queue_url} does not get to {count} messages")

    def refuse_keys(self, echoed: str) -> None:
        """Answer 401 to every embeddings request, as unkindly as possible: with the whole key in the body."""
        error = {
            "message": f"Incorrect API key provided: {echoed}.",
            "type": "invalid_request_error",
            "code": "invalid_api_key",
        }
        body = json.dumps({"error": error})
        self.openai.faults.always(Fault(status=401, body=body, headers={"content-type": "application/json"}))


def until(condition: Any, complaint: str) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.2)


def start(account: Account, workspace: Workspace, stack: ExitStack) -> World:
    """Start all of it."""
    host = LambdaHost(workspace)
    host.start(account)
    stack.callback(host.stop)
    openai = OpenAIState(keys=[], vocabulary=vocabulary(), model=MiniLM())
    pinecone = PineconeState(IndexSpec(dimension=384), keys=[])
    openai_server = stack.enter_context(Server(openai_app(openai)))
    pinecone_server = stack.enter_context(Server(pinecone_app(pinecone)))
    return World(account, workspace, host, openai, pinecone, openai_server.url, pinecone_server.url)
