"""QueueTrigger: the delivery contract of a queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from components.queue_trigger import QueueTrigger, QueueTriggerArgs, visibility_timeout
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build

ALIAS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:strata-test-worker-function-0a1b2c:live"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:strata-test-worker-queue-0a1b2c"
DLQ = f"arn:aws:sqs:{REGION}:{ACCOUNT}:strata-test-worker-dlq-0a1b2c"


def trigger(reserved_concurrency: int | None = None, opts: Any = None, **changes: Any) -> QueueTrigger:
    values: dict[str, Any] = {
        "function": parts.function(reserved_concurrency=reserved_concurrency),
        "service": "strata-test-worker",
        "batch_size": 10,
        "batching_window_seconds": 2,
        "maximum_concurrency": 4,
        "max_receive_count": 5,
        "max_message_bytes": 1_048_576,
    }
    return QueueTrigger("worker", QueueTriggerArgs(**{**values, **changes}), opts)


def test_a_queue_brings_its_failure_queue_policy_mapping_and_alarms(build: Build) -> None:
    program = build(trigger)
    assert program.children(program.one("QueueTrigger")) == {
        *("worker-queue", "worker-dlq", "worker-mapping"),
        *("worker-dlq-depth", "worker-oldest-message", "worker-failed-messages"),
        "worker-queue-policy",
    }


def test_messages_stay_hidden_for_six_timeouts_and_the_window(build: Build) -> None:
    queue = build(trigger).one("Queue", "worker-queue").inputs
    assert queue.pop("redrivePolicy") == json.dumps(
        {"deadLetterTargetArn": DLQ, "maxReceiveCount": 5}, separators=(",", ":")
    )
    assert queue == {
        "visibilityTimeoutSeconds": 362,
        "messageRetentionSeconds": 345_600,
        "maxMessageSize": 1_048_576,
        "sqsManagedSseEnabled": True,
    }
    assert visibility_timeout(120, 0) == 720


def test_failed_messages_are_kept_for_14_days(build: Build) -> None:
    dlq = build(trigger).one("Queue", "worker-dlq").inputs
    assert dlq == {
        "messageRetentionSeconds": 14 * 86_400,
        "maxMessageSize": 1_048_576,  # a message that the queue took fits in here, too
        "sqsManagedSseEnabled": True,
    }


def test_the_mapping_targets_the_alias_and_returns_only_what_failed(build: Build) -> None:
    assert build(trigger).one("EventSourceMapping").inputs == {
        "eventSourceArn": QUEUE,
        "functionName": ALIAS,
        "batchSize": 10,
        "maximumBatchingWindowInSeconds": 2,
        "functionResponseTypes": ["ReportBatchItemFailures"],
        "scalingConfig": {"maximumConcurrency": 4},
    }


def test_the_role_may_read_the_queue_before_the_mapping_exists(build: Build) -> None:
    program = build(trigger)
    policy = program.one("RolePolicy", "worker-queue-policy")
    (statement,) = json.loads(policy.inputs["policy"])["Statement"]
    assert statement["Resource"] == [QUEUE]
    assert statement["Action"] == ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    assert "worker-queue-policy" in program.behind(program.one("EventSourceMapping"))


def test_alarms_watch_depth_age_and_reported_failures(build: Build) -> None:
    alarms = {one.name: one.inputs for one in build(trigger).all("MetricAlarm")}
    depth, age, failed = (alarms[f"worker-{role}"] for role in ("dlq-depth", "oldest-message", "failed-messages"))
    assert depth["dimensions"] == {"QueueName": "strata-test-worker-dlq-0a1b2c"}
    assert age["dimensions"] == {"QueueName": "strata-test-worker-queue-0a1b2c"}
    assert age["threshold"] == 2 * 362
    assert (failed["namespace"], failed["metricName"]) == ("Strata", "MessagesFailed")
    assert failed["dimensions"] == {"service": "strata-test-worker"}
    assert "ops redrive" in depth["alarmDescription"]
    assert {one["treatMissingData"] for one in alarms.values()} == {"notBreaching"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 11, "batching_window_seconds": 0}, "batch_size is 11 without a batching window"),
        ({"batching_window_seconds": 301}, "batching_window_seconds is 301"),
        ({"maximum_concurrency": 1}, "maximum_concurrency is 1: AWS accepts 2 to 1,000"),
        ({"max_receive_count": 4}, "max_receive_count is 4"),
        ({"max_message_bytes": 1_048_577}, "max_message_bytes is 1048577: AWS accepts 1,024 to 1,048,576 bytes"),
        ({"reserved_concurrency": 3}, "maximum_concurrency is 4, above the function's reserved concurrency of 3"),
    ],
)
def test_bad_arguments_register_nothing(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(lambda: trigger(**changes))
    assert not build.last.all("Queue")
    assert not build.last.all("QueueTrigger")


def test_options_stay_with_the_component(build: Build) -> None:
    program = build(lambda: trigger(opts=parts.leaky()))
    parts.assert_nothing_leaked(program, program.one("QueueTrigger"))
