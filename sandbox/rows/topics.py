"""SNS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.rows.arguments import Made, document

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def topic(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.sns.Topic."""
    fifo = bool(arguments.take("fifoTopic", default=False))
    name = arguments.take("name") or cloud.physical_name(arguments.name) + (".fifo" if fifo else "")
    attributes = arguments.renamed(
        KmsMasterKeyId="kmsMasterKeyId", DisplayName="displayName", TracingConfig="tracingConfig"
    )
    if fifo:
        attributes["FifoTopic"] = "true"
    if policy := arguments.take("policy"):
        attributes["Policy"] = document(policy)
    tags = cloud.tag_list(arguments)

    def make() -> Made:
        arn = cloud.client("sns").create_topic(Name=name, Attributes=attributes, Tags=tags)["TopicArn"]
        return Made(arn, {"name": name, "arn": arn, "owner": cloud.account.account})

    return make


def topic_policy(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.sns.TopicPolicy."""
    arn, policy = arguments.need("arn"), document(arguments.need("policy"))

    def make() -> Made:
        cloud.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
        return Made(arn, {"owner": cloud.account.account})

    return make


def topic_subscription(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.sns.TopicSubscription."""
    call = {
        "TopicArn": arguments.need("topic"),
        "Protocol": arguments.need("protocol"),
        "Endpoint": arguments.need("endpoint"),
        "ReturnSubscriptionArn": True,
    }
    attributes = {
        key: str(value).lower() if isinstance(value, bool) else document(value)
        for key, value in arguments.renamed(
            FilterPolicy="filterPolicy",
            FilterPolicyScope="filterPolicyScope",
            RawMessageDelivery="rawMessageDelivery",
            RedrivePolicy="redrivePolicy",
        ).items()
    }

    def make() -> Made:
        arn = cloud.client("sns").subscribe(**call, Attributes=attributes)["SubscriptionArn"]
        return Made(arn, {"arn": arn})

    return make


ROWS: dict[str, Row] = {
    "aws:sns/topic:Topic": topic,
    "aws:sns/topicPolicy:TopicPolicy": topic_policy,
    "aws:sns/topicSubscription:TopicSubscription": topic_subscription,
}
