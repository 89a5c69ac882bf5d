"""CloudWatch alarms as data, and the one place that registers them.

Owns which alarms a function, a queue, an asynchronous trigger and an HTTP API have, and their thresholds. Missing data
never breaches: a function that nobody calls is healthy. Whom an alarm tells is config (`strata:observability`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi_aws as aws

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulumi import Input, ResourceOptions

PERIOD_SECONDS: Final = 300
METRICS_NAMESPACE: Final = "Strata"
SLOW_SHARE: Final = 0.9
"""Of its timeout: a function that takes longer than this is about to be killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm: it fires when the statistic reaches the threshold in one period."""

    role: str
    """What is appended to the owner's name."""
    namespace: str
    metric: str
    statistic: str
    threshold: float
    """In the metric's own unit."""
    dimensions: Mapping[str, Input[str]]
    meaning: str
    """What it means and what to do: the alarm's description, so that a notification says it; and a row of the docs."""


def function_alarms(function_name: Input[str], timeout_seconds: int) -> list[Alarm]:
    """Return what every function has: errors, throttles, and a run close to its timeout."""
    dimensions = {"FunctionName": function_name}
    return [
        Alarm(
            role="errors",
            namespace="AWS/Lambda",
            metric="Errors",
            statistic="Sum",
            threshold=1,
            dimensions=dimensions,
            meaning="An invocation failed: it raised, timed out or ran out of memory. The log says why: ops tail.",
        ),
        Alarm(
            role="throttles",
            namespace="AWS/Lambda",
            metric="Throttles",
            statistic="Sum",
            threshold=1,
            dimensions=dimensions,
            meaning="Throttled: no concurrency was available for an invocation. ops doctor shows the account's limit.",
        ),
        Alarm(
            role="duration",
            namespace="AWS/Lambda",
            metric="Duration",
            statistic="Maximum",
            threshold=round(timeout_seconds * 1_000 * SLOW_SHARE),
            dimensions=dimensions,
            meaning=f"An invocation took over {SLOW_SHARE:.0%} of its {timeout_seconds} s timeout. Raise "
            "timeout_seconds, or find out what is slow: ops tail.",
        ),
    ]


def dead_letter_alarm(queue_name: Input[str]) -> Alarm:
    """Return the alarm on a queue that should be empty."""
    return Alarm(
        role="dlq-depth",
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        statistic="Maximum",
        threshold=1,
        dimensions={"QueueName": queue_name},
        meaning="Events failed for good and are in the dead-letter queue. ops redrive --dry-run shows them; fix the "
        "cause, then run ops redrive.",
    )


def queue_alarms(
    queue_name: Input[str], dlq_name: Input[str], service: Input[str], oldest_message_seconds: int
) -> list[Alarm]:
    """Return what a queue trigger has: dead-letter queue depth, oldest message, and messages reported as failed.

    Args:
        queue_name: The source queue.
        dlq_name: Its dead-letter queue.
        service: The function's metrics dimension (POWERTOOLS_SERVICE_NAME).
        oldest_message_seconds: The age at which the queue counts as stuck.
    """
    return [
        dead_letter_alarm(dlq_name),
        Alarm(
            role="oldest-message",
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            statistic="Maximum",
            threshold=oldest_message_seconds,
            dimensions={"QueueName": queue_name},
            meaning=f"A message has waited for {oldest_message_seconds} s. The function is too slow, throttled or "
            "failing: ops tail, ops doctor.",
        ),
        Alarm(
            role="failed-messages",
            namespace=METRICS_NAMESPACE,
            metric="MessagesFailed",
            statistic="Sum",
            threshold=1,
            dimensions={"service": service},
            meaning="The function reported messages as failed; they are delivered again. The log says why: ops tail.",
        ),
    ]


def async_alarms(function_name: Input[str], dlq_name: Input[str]) -> list[Alarm]:
    """Return what an asynchronous trigger has: dropped events, undelivered failures, dead-letter queue depth."""
    dimensions = {"FunctionName": function_name}
    return [
        dead_letter_alarm(dlq_name),
        Alarm(
            role="events-dropped",
            namespace="AWS/Lambda",
            metric="AsyncEventsDropped",
            statistic="Sum",
            threshold=1,
            dimensions=dimensions,
            meaning="Lambda gave up on events: too old, or failed after all retries. Look into the dead-letter queue.",
        ),
        Alarm(
            role="failures-undelivered",
            namespace="AWS/Lambda",
            metric="DestinationDeliveryFailures",
            statistic="Sum",
            threshold=1,
            dimensions=dimensions,
            meaning="A failed event could not be put into the dead-letter queue and is lost. Check the role's policy, "
            "and the event's size: the queue takes 256 KiB.",
        ),
    ]


def api_alarms(api_id: Input[str]) -> list[Alarm]:
    """Return what an HTTP API has: answers that are the server's fault."""
    return [
        Alarm(
            role="server-errors",
            namespace="AWS/ApiGateway",
            metric="5xx",
            statistic="Sum",
            threshold=1,
            dimensions={"ApiId": api_id},
            meaning="The API answered 5xx: the function raised, or took over 30 s. The log says why: ops tail.",
        )
    ]


def create(name: str, alarms: Sequence[Alarm], topic_arn: str | None, opts: ResourceOptions) -> None:
    """Register alarms under their owner.

    Args:
        name: The owner's logical name; each alarm is `<name>-<role>`.
        alarms: What to register.
        topic_arn: Told when an alarm fires and when it is over; None tells nobody.
        opts: The owner's options for children.
    """
    actions = [topic_arn] if topic_arn is not None else None
    for alarm in alarms:
        aws.cloudwatch.MetricAlarm(
            f"{name}-{alarm.role}",
            alarm_description=alarm.meaning,
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions=alarm.dimensions,
            statistic=alarm.statistic,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=alarm.threshold,
            period=PERIOD_SECONDS,
            evaluation_periods=1,
            treat_missing_data="notBreaching",
            alarm_actions=actions,
            ok_actions=actions,
            opts=opts,
        )
