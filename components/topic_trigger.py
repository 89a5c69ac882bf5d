"""SNS → function: the topic, its policy, the subscription of the alias, and the dead-letter queue.

Owns who may publish to the topic (the buckets it is told of) and that Lambda may be invoked by this topic alone. An
event is tried three times, then kept for 14 days in the function's dead-letter queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input, Resource

    from components.function import LambdaFunction


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicTriggerArgs:
    """Who publishes, and who is told."""

    function: LambdaFunction
    account_id: Input[str]
    """Only buckets of this account may publish."""
    source_bucket_arns: Sequence[Input[str]] = ()
    """Buckets whose events the topic takes; none leaves the topic to this account's own publishers."""
    kms_key_arn: str | None = None
    """A customer key whose policy admits S3. AWS's own key for SNS does not: S3 could not publish."""


class TopicTrigger(pulumi.ComponentResource):
    """A topic that invokes a function's alias."""

    ready: tuple[Resource, ...]
    """What must exist before anything publishes: the policy that admits it, and the way to the function."""

    def __init__(self, name: str, args: TopicTriggerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:TopicTrigger", name, None, opts)
        child = ResourceOptions(parent=self)
        function = args.function
        self.topic = aws.sns.Topic(f"{name}-topic", kms_master_key_id=args.kms_key_arn, opts=child)
        permission = aws.lambda_.Permission(
            f"{name}-topic-permission",
            action="lambda:InvokeFunction",
            function=function.function.name,
            qualifier=function.alias.name,
            principal="sns.amazonaws.com",
            source_arn=self.topic.arn,
            opts=child,
        )
        subscription = aws.sns.TopicSubscription(
            f"{name}-subscription",
            topic=self.topic.arn,
            protocol="lambda",
            endpoint=function.alias.arn,
            opts=ResourceOptions(parent=self, depends_on=[permission, function.async_failures.config]),
        )
        self.ready = (subscription, *self._admit_buckets(name, args, child))
        function.add_outputs({"topic_arn": self.topic.arn})
        self.register_outputs({"topic_arn": self.topic.arn})

    def _admit_buckets(self, name: str, args: TopicTriggerArgs, opts: ResourceOptions) -> list[Resource]:
        if not args.source_bucket_arns:
            return []
        document = policies.accept_bucket_events(
            "sns:Publish", self.topic.arn, args.source_bucket_arns, args.account_id
        )
        policy = pulumi.Output.json_dumps(document)
        return [aws.sns.TopicPolicy(f"{name}-topic-policy", arn=self.topic.arn, policy=policy, opts=opts)]
