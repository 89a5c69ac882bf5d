"""S3 → functions and topics: the one notification that a bucket can have, made from all its consumers.

Owns the notification, the permissions it needs, and the check that no function feeds itself. The bucket belongs to a
system. A second notification of the same bucket would silently replace this one: give all consumers to one trigger.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components.topic_trigger import TopicTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input, Resource

    from components.function import LambdaFunction

CREATED: Final = "s3:ObjectCreated:*"
RULES: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketConsumer:
    """Who is told of which objects."""

    target: LambdaFunction | TopicTrigger
    events: tuple[str, ...] = (CREATED,)
    prefix: str = ""
    suffix: str = ""

    @property
    def filter(self) -> str:
        """The filter in words, for messages."""
        return f"prefix {self.prefix!r}, suffix {self.suffix!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketTriggerArgs:
    """A bucket and all its consumers."""

    bucket: Input[str]
    """Its name."""
    bucket_arn: Input[str]
    account_id: Input[str]
    """The bucket's owner: a bucket of the same name in another account may not invoke anything."""
    consumers: Sequence[BucketConsumer]
    written_prefixes: Sequence[str] = ()
    """Where the consumers themselves write in this bucket."""

    def __post_init__(self) -> None:
        if not self.consumers:
            raise ValueError("a bucket trigger without consumers would only remove the bucket's notification")
        for one, other in combinations(self.consumers, 2):
            if _overlap(one, other):
                raise ValueError(
                    f"two consumers would be told of the same objects ({one.filter}; {other.filter}) and S3 refuses "
                    f"that ({RULES}): make their prefixes or suffixes exclude each other, or give both one topic"
                )
        for written in self.written_prefixes:
            for consumer in self.consumers:
                if written.startswith(consumer.prefix) or consumer.prefix.startswith(written):
                    raise ValueError(
                        f"objects are written under {written!r}, which {consumer.filter} takes in: each would trigger "
                        "the next, without end. Write under a prefix outside every filter"
                    )


class BucketTrigger(pulumi.ComponentResource):
    """The notification of one bucket."""

    def __init__(self, name: str, args: BucketTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:BucketTrigger", name, None, opts)
        topics = [(one, one.target) for one in args.consumers if isinstance(one.target, TopicTrigger)]
        functions = [(one, one.target) for one in args.consumers if not isinstance(one.target, TopicTrigger)]
        # S3 tries each destination when the notification is set: its policy or permission has to exist by then.
        ready: list[Resource] = [resource for _, topic in topics for resource in topic.ready]
        for function in {id(function): function for _, function in functions}.values():
            ready += [self._permit(name, function, args), function.async_failures.config]
        self.notification = aws.s3.BucketNotification(
            f"{name}-notification",
            bucket=args.bucket,
            lambda_functions=[
                aws.s3.BucketNotificationLambdaFunctionArgs(
                    lambda_function_arn=function.alias.arn,
                    events=list(one.events),
                    filter_prefix=one.prefix or None,
                    filter_suffix=one.suffix or None,
                )
                for one, function in functions
            ],
            topics=[
                aws.s3.BucketNotificationTopicArgs(
                    topic_arn=topic.topic.arn,
                    events=list(one.events),
                    filter_prefix=one.prefix or None,
                    filter_suffix=one.suffix or None,
                )
                for one, topic in topics
            ],
            opts=ResourceOptions(parent=self, depends_on=ready),
        )
        self.register_outputs({"bucket": args.bucket})

    def _permit(self, name: str, function: LambdaFunction, args: BucketTriggerArgs) -> Resource:
        return aws.lambda_.Permission(
            f"{name}-{function.logical_name}-permission",
            action="lambda:InvokeFunction",
            function=function.function.name,
            qualifier=function.alias.name,
            principal="s3.amazonaws.com",
            source_arn=args.bucket_arn,
            source_account=args.account_id,
            opts=ResourceOptions(parent=self),
        )


def _overlap(one: BucketConsumer, other: BucketConsumer) -> bool:
    """Whether some object's event would match both filters."""
    prefixes = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    suffixes = one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix)
    return prefixes and suffixes and any(_same_event(a, b) for a in one.events for b in other.events)


def _same_event(one: str, other: str) -> bool:
    """Whether two event names meet: `s3:ObjectCreated:*` takes in `s3:ObjectCreated:Put`."""
    return one == other or any(
        wide.endswith("*") and narrow.startswith(wide[:-1]) for wide, narrow in ((one, other), (other, one))
    )
