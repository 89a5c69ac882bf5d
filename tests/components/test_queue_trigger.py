"""QueueTrigger: the delivery contract of a queue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pulumi import ResourceOptions

from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs, make_queues, visibility_timeout
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build

ALIAS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:strata-test-worker-function-0a1b2c:live"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:strata-test-worker-queue-0a1b2c"
DLQ = f"arn:aws:sqs:{REGION}:{ACCOUNT}:strata-test-worker-dlq-0a1b2c"


def trigger(reserved_concurrency: int | None = None, opts: Any = None, **changes: Any) -> QueueTrigger:
    values: dict[str, Any] = {"batching_window_seconds": 2, "maximum_concurrency": 4, "max_message_bytes": 1_048_576}
    function = parts.function(
        reserved_concurrency=reserved_concurrency, environment={"POWERTOOLS_SERVICE_NAME": "strata-test-worker"}
    )
    return QueueTrigger("worker", QueueTriggerArgs(function=function, keys=QueueKeys(**{**values, **changes})), opts)


def test_a_queue_brings_its_dead_letter_queue_policy_mapping_and_alarms(build: Build) -> None:
    program = build(trigger)
    assert program.children(program.one("QueueTrigger")) == {
        *("worker-queue", "worker-dlq", "worker-mapping"),
        *("worker-dlq-depth", "worker-oldest-message", "worker-failed-messages"),
        "worker-queue-policy",
    }


def test_messages_stay_hidden_for_as_long_as_any_version_may_run_and_the_window(build: Build) -> None:
    queue = build(trigger).one("Queue", "worker-queue").inputs
    assert queue.pop("redrivePolicy") == json.dumps(
        {"deadLetterTargetArn": DLQ, "maxReceiveCount": 5}, separators=(",", ":")
    )
    assert queue == {
        "visibilityTimeoutSeconds": 902,
        "messageRetentionSeconds": 345_600,
        "maxMessageSize": 1_048_576,
        "sqsManagedSseEnabled": True,
    }


@pytest.mark.parametrize("window", [0, 5, 300])
@pytest.mark.parametrize("timeout", [1, 149, 150, 151, 300, 900])
def test_messages_stay_hidden_for_six_timeouts_and_never_less_than_the_longest_one(timeout: int, window: int) -> None:
    """An update that lowered or raised the timeout had moments in which the live version's was above the queue's."""
    hidden = visibility_timeout(timeout, window)
    assert hidden >= 6 * timeout + window
    assert hidden >= 900 + window, "whichever version is live, and in whichever order queue and alias change"
    assert hidden in {6 * timeout + window, 900 + window}


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
    alarms = {alarm.name: alarm.inputs for alarm in build(trigger).all("MetricAlarm")}
    depth, age, failed = (alarms[f"worker-{role}"] for role in ("dlq-depth", "oldest-message", "failed-messages"))
    assert depth["dimensions"] == {"QueueName": "strata-test-worker-dlq-0a1b2c"}
    assert age["dimensions"] == {"QueueName": "strata-test-worker-queue-0a1b2c"}
    assert age["threshold"] == 2 * 902
    assert (failed["namespace"], failed["metricName"]) == ("Strata", "MessagesFailed")
    assert failed["dimensions"] == {"service": "strata-test-worker"}
    assert "ops redrive" in depth["alarmDescription"]
    assert {alarm["treatMissingData"] for alarm in alarms.values()} == {"notBreaching"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 11, "batching_window_seconds": 0}, "queue.batching_window_seconds is 0 with batch_size 11"),
        ({"reserved_concurrency": 3}, "queue.maximum_concurrency is 4, above reserved_concurrency, 3"),
    ],
)
def test_bad_arguments_register_nothing(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(lambda: trigger(**changes))
    assert not build.last.all("Queue")
    assert not build.last.all("QueueTrigger")


def test_only_the_buckets_that_are_named_may_send_into_the_queue(build: Build) -> None:
    assert not build(trigger).all("QueuePolicy")
    bucket = "arn:aws:s3:::uploads"

    def body() -> None:
        args = QueueTriggerArgs(
            function=parts.function(), keys=QueueKeys(), source_bucket_arns=[bucket], account_id=ACCOUNT
        )
        QueueTrigger("worker", args)

    (statement,) = json.loads(build(body).one("QueuePolicy").inputs["policy"])["Statement"]
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", QUEUE)
    assert statement["Condition"]["ArnEquals"] == {"aws:SourceArn": [bucket]}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_a_neighbour_finds_the_queue_at_its_function(build: Build) -> None:
    found: list[bool] = []

    def body() -> None:
        made = trigger()
        function = parts.function("other")
        found.append(function.queue is None)
        QueueTrigger("other", QueueTriggerArgs(function=function, keys=QueueKeys()))
        found.append(function.queue is not None and made is not function.queue)

    build(body)
    assert found == [True, True]


def test_two_triggers_do_not_hide_each_other_s_outputs(build: Build) -> None:
    def body() -> None:
        function = parts.function()
        for name in ("one", "two"):
            QueueTrigger(name, QueueTriggerArgs(function=function, keys=QueueKeys()))

    with pytest.raises(ValueError, match="two triggers of worker export dlq_arn, dlq_url, queue_arn, queue_url"):
        build(body)


def test_a_function_that_sends_to_its_own_queue_gets_it_made_before(build: Build) -> None:
    def made() -> None:
        keys = QueueKeys(max_receive_count=7)
        queues = make_queues("worker", keys, 60, ResourceOptions())
        function = parts.function(environment={"WEBHOOK_QUEUE_URL": queues.queue.url})
        QueueTrigger("worker", QueueTriggerArgs(function=function, keys=keys, queues=queues))

    program = build(made)
    queue, dlq = program.one("Queue", "worker-queue"), program.one("Queue", "worker-dlq")
    assert queue.inputs["visibilityTimeoutSeconds"] == visibility_timeout(60, 0)
    assert json.loads(queue.inputs["redrivePolicy"]) == {"deadLetterTargetArn": DLQ, "maxReceiveCount": 7}
    assert dlq.inputs["messageRetentionSeconds"] == 14 * 86_400
    assert program.one("EventSourceMapping").inputs["eventSourceArn"] == QUEUE
    function = program.one("Function").inputs
    assert function["environment"]["variables"]["WEBHOOK_QUEUE_URL"].endswith("/strata-test-worker-queue-0a1b2c")
