"""A bucket of the stack and everybody who uses it: one notification, made when all consumers are known.

Owns the collecting. What a notification needs is in `bucket_trigger.py`, what makes a bucket private in
`private_bucket.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pulumi

from components.bucket_trigger import BucketConsumer, BucketTrigger, BucketTriggerArgs
from components.private_bucket import PrivateBucket, PrivateBucketArgs

if TYPE_CHECKING:
    from pulumi import Input

    from components.bucket_trigger import ObjectFilter
    from components.function import LambdaFunction
    from components.queue_trigger import QueueTrigger
    from components.topic_trigger import TopicTrigger


def literal(text: str) -> str:
    """Return a text as a policy's resource has it: an unescaped `?` is any character, and `$` may begin a variable.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars
    """
    return re.sub(r"[?*$]", r"${\g<0>}", text)


class SharedBucket:
    """A private bucket with its consumers. Not a component: the bucket and the notification are."""

    def __init__(self, name: str, args: PrivateBucketArgs, account_id: Input[str]) -> None:
        self._name = name
        self._account_id = account_id
        self._component = PrivateBucket(name, args)
        self._consumers: list[BucketConsumer] = []
        self._written: list[str] = []
        self.name = self._component.bucket_name
        """The physical name, known once the bucket is private."""
        self.arn: pulumi.Output[str] = self._component.bucket.arn

    def objects_arn(self, prefix: str = "") -> pulumi.Output[str]:
        """Return what a policy calls the objects under a prefix."""
        return pulumi.Output.concat(self.arn, "/", literal(prefix), "*")

    def tell(self, target: LambdaFunction | TopicTrigger | QueueTrigger, told_of: ObjectFilter) -> None:
        """Send the events of these objects to a target. A topic or queue must admit the bucket's ARN already."""
        self._consumers.append(BucketConsumer(target=target, filter=told_of))

    def written_under(self, prefix: str) -> None:
        """Note where a function of the stack writes: no consumer may be told of it."""
        self._written.append(prefix)

    def finish(self) -> None:
        """Make the notification, when there is anybody to notify."""
        if self._consumers:
            BucketTrigger(
                self._name,
                BucketTriggerArgs(
                    bucket=self.name,
                    bucket_arn=self.arn,
                    account_id=self._account_id,
                    consumers=self._consumers,
                    written_prefixes=self._written,
                ),
            )
