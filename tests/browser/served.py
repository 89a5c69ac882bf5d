"""The application, served to a browser: over the tests' world, with a worker that reads what is uploaded."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.app.security_headers import bucket_origin
from sandbox.standins.serving import Server
from tests.lambdas.knowledge_base.consumer import turn
from tests.lambdas.knowledge_base.world import world_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sandbox.account import Account
    from tests.lambdas.knowledge_base.world import World

IDLE_SECONDS = 0.2
CORS = {
    "CORSRules": [{"AllowedMethods": ["POST"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}],
}


@dataclass
class Site:
    """What visitors visit."""

    url: str
    world: World
    origins: set[str]
    """Where a visitor's browser may send something to."""

    @contextmanager
    def below(self, path: str) -> Generator[str]:
        """Serve the same below a path; gives its address."""
        with Server(Starlette(routes=[Mount(path, self.world.app)])) as server:
            self.origins.add(server.url)
            yield f"{server.url}{path}"


class Reader:
    """Takes messages of the ingestion queue, as the event source mapping does, and has them worked on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingestion", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stopped.wait(IDLE_SECONDS):
            turn(self._world)


@contextmanager
def serve(account: Account, set_variable: Callable[[str, str], object]) -> Generator[Site]:
    """Serve a world of its own.

    Args:
        account: the local AWS.
        set_variable: as `world_of`.
    """
    with world_of(account, set_variable) as world, Reader(world), Server(world.app) as server:
        bucket = world.environment[contract.PDF_STORAGE_BUCKET]
        s3 = account.client("s3")
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=CORS)
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [_told(world)]}
        )
        yield Site(server.url, world, {server.url, bucket_origin(world.services)})


def _told(world: World) -> dict[str, Any]:
    """The bucket tells the queue of what was uploaded."""
    url = world.environment[contract.INGESTION_QUEUE_URL]
    client = world.account.client("sqs")
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    statement = {**allowed, "Resource": attributes["Attributes"]["QueueArn"]}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    rules = [{"Name": "prefix", "Value": contract.UPLOADS_PREFIX}]
    return {
        "QueueArn": attributes["Attributes"]["QueueArn"],
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": rules}},
    }
