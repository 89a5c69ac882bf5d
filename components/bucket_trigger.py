"""S3 → functions, topics and queues: config keys, their rules, and the one notification that a bucket can have.

Owns the notification, the permissions it needs, and the checks that no object is announced twice and no function feeds
itself. A second notification of the same bucket would silently replace the first one, so a bucket's consumers are
collected (`shared_bucket.py`) and given to one trigger.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Annotated, Any, Final

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import values
from components.fields import key
from components.queue_trigger import QueueTrigger
from components.section import Section
from components.topic_trigger import TopicTrigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input, Resource

    from components.function import LambdaFunction

CREATED: Final = "s3:ObjectCreated:*"
REMOVED: Final = "s3:ObjectRemoved:*"
REFUSED_TOO_EARLY: Final = "Unable to validate the following destination configurations"
"""What S3 says of a destination that does not admit it, or does not yet: a permission that was just granted is seen
seconds later, and the provider does not try again (https://github.com/hashicorp/terraform-provider-aws/issues/19088)."""
SETTLE_SECONDS: Final = 5.0
SETTLE_ATTEMPTS: Final = 12
RULES: Final = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html"


class BucketKeys(Section):
    """Which objects reach the function."""

    name: Annotated[str, AfterValidator(values.bucket_label)] = key(
        "The stack's bucket, by its name here; systems that give the same name share it.", default="documents"
    )
    prefix: Annotated[str, AfterValidator(values.key_part)] = key(
        "Only keys that start with it, written as they are in S3.", default=""
    )
    suffix: Annotated[str, AfterValidator(values.key_part)] = key(
        "Only keys that end with it, written as they are in S3.", default=""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFilter:
    """Which objects' events are meant."""

    prefix: str = ""
    suffix: str = ""
    events: tuple[str, ...] = (CREATED,)

    def __str__(self) -> str:
        return f"prefix {self.prefix!r}, suffix {self.suffix!r}"

    def overlaps(self, other: ObjectFilter) -> bool:
        """Whether some object's event would match both."""
        prefixes = self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix)
        suffixes = self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix)
        return prefixes and suffixes and any(_same_event(a, b) for a in self.events for b in other.events)

    def takes_in(self, prefix: str) -> bool:
        """Whether an object written under a prefix could match."""
        return prefix.startswith(self.prefix) or self.prefix.startswith(prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketUse:
    """What one system does with a bucket of the stack, known from its config."""

    bucket: str
    """The bucket's name in the config."""
    told_of: ObjectFilter | None = None
    """The objects whose events reach it."""
    writes_under: str | None = None
    """The prefix of the objects that it writes itself."""


def bucket_problem(filters: Sequence[ObjectFilter], written: Sequence[str]) -> str | None:
    """Return why S3 would refuse these consumers of one bucket, or why they would never stop; None when neither.

    Args:
        filters: One for each consumer.
        written: Prefixes under which the consumers themselves write in the bucket.
    """
    for one, other in combinations(filters, 2):
        if one.overlaps(other):
            return (
                f"two consumers would be told of the same objects ({one}; {other}) and S3 refuses that ({RULES}): make "
                "their prefixes or suffixes exclude each other, or give both one topic"
            )
    for prefix in written:
        for consumer in filters:
            if consumer.takes_in(prefix):
                return (
                    f"objects are written under {prefix!r}, which {consumer} takes in: each would trigger the next, "
                    "without end. Write under a prefix outside every filter"
                )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketConsumer:
    """Who is told of which objects."""

    target: LambdaFunction | TopicTrigger | QueueTrigger
    filter: ObjectFilter = ObjectFilter()


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
        filters = [consumer.filter for consumer in self.consumers]
        if (problem := bucket_problem(filters, self.written_prefixes)) is not None:
            raise ValueError(problem)


class BucketTrigger(pulumi.ComponentResource):
    """The notification of one bucket."""

    def __init__(self, name: str, args: BucketTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:BucketTrigger", name, None, opts)
        # S3 tries each destination when the notification is set: its policy or permission has to exist by then.
        ready: list[Resource] = []
        lists: dict[str, list[Any]] = {"lambda_functions": [], "topics": [], "queues": []}
        permitted: set[str] = set()
        for consumer in args.consumers:
            target, told = consumer.target, _filter_args(consumer.filter)
            if isinstance(target, TopicTrigger):
                ready += target.ready
                lists["topics"].append(aws.s3.BucketNotificationTopicArgs(topic_arn=target.topic.arn, **told))
            elif isinstance(target, QueueTrigger):
                ready += target.ready
                lists["queues"].append(aws.s3.BucketNotificationQueueArgs(queue_arn=target.queue.arn, **told))
            else:
                if target.logical_name not in permitted:
                    permitted.add(target.logical_name)
                    ready += [self._permit(name, target, args), target.async_failures.config]
                arn = target.alias.arn
                lists["lambda_functions"].append(
                    aws.s3.BucketNotificationLambdaFunctionArgs(lambda_function_arn=arn, **told)
                )
        self.notification = aws.s3.BucketNotification(
            f"{name}-notification",
            bucket=args.bucket,
            lambda_functions=lists["lambda_functions"] or None,
            topics=lists["topics"] or None,
            queues=lists["queues"] or None,
            opts=ResourceOptions(parent=self, depends_on=ready, hooks=_patience(name)),
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


def _patience(name: str) -> pulumi.ResourceHookBinding:
    """Return hooks that set the notification again for a minute, while S3 does not see its permissions yet."""

    async def wait(failed: pulumi.ErrorHookArgs) -> bool:
        if REFUSED_TOO_EARLY not in failed.errors[0] or len(failed.errors) > SETTLE_ATTEMPTS:
            return False
        await asyncio.sleep(SETTLE_SECONDS)
        return True

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"{name}-destinations-settle", wait)])


def _filter_args(told: ObjectFilter) -> dict[str, Any]:
    return {
        "events": list(told.events),
        "filter_prefix": values.filter_text(told.prefix) or None,
        "filter_suffix": values.filter_text(told.suffix) or None,
    }


def _same_event(one: str, other: str) -> bool:
    """Whether two event names meet: `s3:ObjectCreated:*` takes in `s3:ObjectCreated:Put`."""
    return one == other or any(
        wide.endswith("*") and narrow.startswith(wide[:-1]) for wide, narrow in ((one, other), (other, one))
    )
