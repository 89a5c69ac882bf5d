"""A program of this project's own components: everything that a function can have and the embedding system does not.

Stands in the place of `__main__.py` in a checkout of the tests: HTTP and a queue on one function, a bucket that two
systems share and that has versions, a table, a VPC, a snapshot, a warm environment, an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from components.bucket_rules import BucketRules, BucketRulesArgs
from components.bucket_trigger import REMOVED, BucketKeys, ObjectFilter
from components.fields import key
from components.function_settings import FunctionSettings
from components.http_trigger import HttpKeys, HttpTrigger, HttpTriggerArgs
from components.package import Zip
from components.policies import read_objects, send_messages, use_table
from components.program import deploy
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs
from components.system import System
from components.table import Key, Table, TableArgs
from components.topic_trigger import TopicTrigger, TopicTriggerArgs

if TYPE_CHECKING:
    from components.house import House, SystemArgs


class FrontSettings(FunctionSettings):
    """A function behind an API that does its work behind a queue."""

    wired = ("RUNS_TABLE", "WORK_QUEUE_URL")

    http: HttpKeys = key("The API.", default=HttpKeys)
    queue: QueueKeys = key("The queue.", default=QueueKeys)


class Front(pulumi.ComponentResource):
    """HTTP and a queue on one function, and a table."""

    def __init__(self, name: str, args: SystemArgs[FrontSettings], house: House) -> None:
        super().__init__("strata:components:Front", name)
        child = pulumi.ResourceOptions(parent=self)
        runs = Table(f"{name}-runs", TableArgs(key=Key(hash="id"), ttl_attribute="expires"), child)
        function = house.function(
            name,
            args,
            statements=[use_table("UseRuns", ["dynamodb:GetItem", "dynamodb:PutItem"], runs.arn)],
            wired={"RUNS_TABLE": runs.name},
            opts=child,
        )
        queue = QueueTrigger(name, QueueTriggerArgs(function=function, keys=args.settings.queue), child)
        function.allow("send-policy", [send_messages(queue.queue.arn)], child)
        HttpTrigger(name, HttpTriggerArgs(function=function, keys=args.settings.http, routes=["POST /work"]), child)
        self.register_outputs({})


class ReaderSettings(FunctionSettings):
    """A function that is told of objects."""

    bucket: BucketKeys = key("Which objects.", default=BucketKeys)


class Reader(pulumi.ComponentResource):
    """S3 → function."""

    def __init__(self, name: str, args: SystemArgs[ReaderSettings], house: House) -> None:
        super().__init__("strata:components:Reader", name)
        child, keys = pulumi.ResourceOptions(parent=self), args.settings.bucket
        bucket = house.bucket(keys.name)
        reads = [read_objects(bucket.objects_arn(keys.prefix))]
        function = house.function(name, args, statements=reads, opts=child)
        bucket.tell(function, ObjectFilter(prefix=keys.prefix, suffix=keys.suffix))
        bucket.tell(function, ObjectFilter(prefix=keys.prefix, suffix=keys.suffix, events=(REMOVED,)))
        BucketRules(name, BucketRulesArgs(bucket=bucket.name), child)
        self.register_outputs({})


class Listener(pulumi.ComponentResource):
    """S3 → SNS → function."""

    def __init__(self, name: str, args: SystemArgs[ReaderSettings], house: House) -> None:
        super().__init__("strata:components:Listener", name)
        child, keys = pulumi.ResourceOptions(parent=self), args.settings.bucket
        bucket = house.bucket(keys.name)
        function = house.function(name, args, opts=child)
        topic = TopicTriggerArgs(
            function=function, account_id=house.account.account_id, source_bucket_arns=[bucket.arn]
        )
        bucket.tell(TopicTrigger(name, topic, child), ObjectFilter(prefix=keys.prefix))
        self.register_outputs({})


SYSTEMS = {
    "front": System(FrontSettings, Front, package=Zip(())),
    "reader": System(ReaderSettings, Reader, package=Zip(())),
    "listener": System(ReaderSettings, Listener, package=Zip((), "lambda_function.handler")),
}


if __name__ == "__main__":
    deploy(SYSTEMS)
