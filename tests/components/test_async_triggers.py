"""TopicTrigger, BucketTrigger and the dead-letter queue that they share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import pulumi
import pytest
from pulumi import ErrorHook

from components.async_failures import AsyncFailuresArgs
from components.bucket_trigger import REMOVED, BucketConsumer, BucketTrigger, BucketTriggerArgs, ObjectFilter
from components.private_bucket import PrivateBucketArgs
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs
from components.shared_bucket import SharedBucket
from components.topic_trigger import TopicTrigger, TopicTriggerArgs
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from components.function import LambdaFunction
    from tests.harness import Build

ALIAS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:strata-test-worker-function-0a1b2c:live"
FUNCTION = "strata-test-worker-function-0a1b2c"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:strata-test-files-topic-0a1b2c"
BUCKET = "arn:aws:s3:::uploads"


def topic(function: LambdaFunction | None = None, opts: Any = None, **changes: Any) -> TopicTrigger:
    values: dict[str, Any] = {"function": function or parts.function(), "account_id": ACCOUNT}
    return TopicTrigger("files", TopicTriggerArgs(**{**values, **changes}), opts)


def bucket(*consumers: BucketConsumer, opts: Any = None, **changes: Any) -> BucketTrigger:
    values: dict[str, Any] = {"bucket": "uploads", "bucket_arn": BUCKET, "account_id": ACCOUNT, "consumers": consumers}
    return BucketTrigger("uploads", BucketTriggerArgs(**{**values, **changes}), opts)


def told(target: Any, **values: Any) -> BucketConsumer:
    """Who is told of which objects."""
    return BucketConsumer(target=target, filter=ObjectFilter(**values))


@pytest.mark.parametrize(
    ("errors", "again"),
    [
        (["InvalidArgument: Unable to validate the following destination configurations"], True),
        (["Unable to validate the following destination configurations"] * 12, True),
        (["Unable to validate the following destination configurations"] * 13, False),
        (["NoSuchBucket", "Unable to validate the following destination configurations"], False),
    ],
)
def test_a_notification_is_set_again_while_s3_does_not_see_its_permissions_yet(
    build: Build, monkeypatch: pytest.MonkeyPatch, errors: list[str], again: bool
) -> None:
    """A first `up` failed: a permission is seen seconds after it was granted. Not for ever: it may be a wrong one."""
    monkeypatch.setattr("components.bucket_trigger.SETTLE_SECONDS", 0)
    hooks: list[pulumi.ErrorHook] = []
    monkeypatch.setattr(pulumi, "ErrorHook", lambda *arguments: hooks.append(made := ErrorHook(*arguments)) or made)
    program = build(lambda: bucket(told(parts.function())))
    assert list(program.one("BucketNotification").request.hooks.on_error) == ["uploads-destinations-settle"]
    failed = pulumi.ErrorHookArgs("urn", "", "uploads-notification", "type", errors=errors)
    answer = hooks[0](failed)
    assert isinstance(answer, Coroutine)
    assert asyncio.run(answer) is again


def test_a_topic_invokes_the_alias_and_only_this_topic_may(build: Build) -> None:
    program = build(topic)
    assert program.one("Permission").inputs == {
        "action": "lambda:InvokeFunction",
        "function": FUNCTION,
        "qualifier": "live",
        "principal": "sns.amazonaws.com",
        "sourceArn": TOPIC,
    }
    assert program.one("TopicSubscription").inputs == {"topic": TOPIC, "protocol": "lambda", "endpoint": ALIAS}


def test_the_way_to_the_function_exists_before_the_subscription(build: Build) -> None:
    program = build(topic)
    behind = program.behind(program.one("TopicSubscription"))
    assert {"files-topic-permission", "worker-async-invoke-config", "worker-live"} <= behind


def test_a_topic_has_no_policy_unless_buckets_publish_to_it(build: Build) -> None:
    assert not build(topic).all("TopicPolicy")
    program = build(lambda: topic(source_bucket_arns=[BUCKET]))
    (statement,) = json.loads(program.one("TopicPolicy").inputs["policy"])["Statement"]
    assert statement["Condition"]["ArnEquals"] == {"aws:SourceArn": [BUCKET]}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_an_event_is_tried_three_times_and_then_kept(build: Build) -> None:
    program = build(topic)
    dlq = f"arn:aws:sqs:{REGION}:{ACCOUNT}:strata-test-worker-async-dlq-0a1b2c"
    assert program.one("FunctionEventInvokeConfig").inputs == {
        "functionName": FUNCTION,
        "qualifier": "live",
        "maximumRetryAttempts": 2,
        "maximumEventAgeInSeconds": 21_600,
        "destinationConfig": {"onFailure": {"destination": dlq}},
    }
    assert program.one("Queue").inputs == {"messageRetentionSeconds": 14 * 86_400, "sqsManagedSseEnabled": True}
    (statement,) = json.loads(program.one("RolePolicy", "worker-async-policy").inputs["policy"])["Statement"]
    assert (statement["Action"], statement["Resource"]) == (["sqs:SendMessage"], [dlq])
    assert "worker-async-policy" in program.behind(program.one("FunctionEventInvokeConfig"))


def test_async_alarms_watch_dropped_events_lost_failures_and_depth(build: Build) -> None:
    program = build(topic)
    alarms = {alarm.inputs["metricName"]: alarm.inputs for alarm in program.all("MetricAlarm") if "async" in alarm.name}
    assert set(alarms) == {"AsyncEventsDropped", "DestinationDeliveryFailures", "ApproximateNumberOfMessagesVisible"}
    assert alarms["AsyncEventsDropped"]["dimensions"] == {"FunctionName": FUNCTION}
    assert {alarm["treatMissingData"] for alarm in alarms.values()} == {"notBreaching"}


@pytest.mark.parametrize(
    ("changes", "message"), [({"retries": 3}, "retries is 3"), ({"event_age_seconds": 59}, "event_age_seconds is 59")]
)
def test_lambda_s_own_retry_limits_hold(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(lambda: AsyncFailuresArgs(function=parts.function(), **changes))
    assert not build.last.all("AsyncFailures")


def test_a_topic_can_be_encrypted_with_a_customer_key_only(build: Build) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
    assert build(lambda: topic(kms_key_arn=key)).one("Topic").inputs == {"kmsMasterKeyId": key}
    assert build(topic).one("Topic").inputs == {}


def test_a_bucket_invokes_the_alias_and_only_this_account_s_bucket_may(build: Build) -> None:
    program = build(lambda: bucket(told(parts.function(), prefix="in/", suffix=".pdf")))
    assert program.one("Permission").inputs == {
        "action": "lambda:InvokeFunction",
        "function": FUNCTION,
        "qualifier": "live",
        "principal": "s3.amazonaws.com",
        "sourceArn": BUCKET,
        "sourceAccount": ACCOUNT,
    }
    assert program.one("BucketNotification").inputs == {
        "bucket": "uploads",
        "lambdaFunctions": [
            {
                "lambdaFunctionArn": ALIAS,
                "events": ["s3:ObjectCreated:*"],
                "filterPrefix": "in/",
                "filterSuffix": ".pdf",
            }
        ],
    }


@pytest.mark.parametrize(
    ("prefix", "encoded"),
    [
        ("year=2026/", "year%3D2026/"),
        ("My Documents/", "My+Documents/"),
        ("a+b/", "a%2Bb/"),
        ("année/", "ann%C3%A9e/"),
        ("(1)~&@,;:$?/", "%281%29%7E%26%40%2C%3B%3A%24%3F/"),
        ("100%/", "100%25/"),
        ("plain-name_1.2/", "plain-name_1.2/"),
    ],
)
def test_a_filter_is_the_text_that_s3_compares_with(build: Build, prefix: str, encoded: str) -> None:
    """As it stands in events: unencoded, it matches nothing, silently (https://github.com/aws/aws-cdk/pull/28012)."""
    program = build(lambda: bucket(told(parts.function(), prefix=prefix, suffix=f"{prefix.rstrip('/')}.pdf")))
    (consumer,) = program.one("BucketNotification").inputs["lambdaFunctions"]
    assert consumer["filterPrefix"] == encoded
    assert consumer["filterSuffix"] == f"{encoded.rstrip('/')}.pdf"
    assert unquote_plus(encoded) == prefix, "what a handler makes of a key"


def test_one_notification_holds_all_consumers_and_comes_last(build: Build) -> None:
    def body() -> None:
        worker, other = parts.function(), parts.function("other")
        bucket(
            told(topic(worker, source_bucket_arns=[BUCKET]), prefix="text/"),
            told(worker, prefix="pdf/"),
            told(other, prefix="image/"),
            told(other, prefix="scan/"),
        )

    program = build(body)
    notification = program.one("BucketNotification")
    assert [target["topicArn"] for target in notification.inputs["topics"]] == [TOPIC]
    assert [target["filterPrefix"] for target in notification.inputs["lambdaFunctions"]] == ["pdf/", "image/", "scan/"]
    assert {
        *("files-topic-policy", "files-subscription", "uploads-worker-permission", "uploads-other-permission"),
        *("worker-async-invoke-config", "other-async-invoke-config"),
    } <= program.behind(notification)


def test_a_function_has_one_dead_letter_queue_however_many_triggers(build: Build) -> None:
    def body() -> None:
        worker = parts.function()
        bucket(
            told(topic(worker, source_bucket_arns=[BUCKET]), prefix="text/"),
            told(worker, prefix="pdf/"),
        )

    assert len(build(body).all("FunctionEventInvokeConfig")) == 1


def test_overlapping_filters_are_refused(build: Build) -> None:
    def body() -> None:
        worker = parts.function()
        bucket(
            told(worker, prefix="in/"),
            told(worker, prefix="in/pdf/"),
        )

    with pytest.raises(ValueError, match="two consumers would be told of the same objects"):
        build(body)
    assert not build.last.all("BucketNotification")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"prefix": "a/"}, {"prefix": "b/"}),
        ({"suffix": ".pdf"}, {"suffix": ".txt"}),
        ({"events": ("s3:ObjectCreated:*",)}, {"events": (REMOVED,)}),
    ],
)
def test_filters_that_exclude_each_other_pass(build: Build, first: dict[str, Any], second: dict[str, Any]) -> None:
    def body() -> None:
        worker = parts.function()
        bucket(
            told(worker, **first),
            told(worker, **second),
        )

    assert len(build(body).one("BucketNotification").inputs["lambdaFunctions"]) == 2


def test_a_wide_event_meets_a_narrow_one(build: Build) -> None:
    def body() -> None:
        worker = parts.function()
        narrow = told(worker, events=("s3:ObjectCreated:Put",))
        bucket(narrow, told(worker))

    with pytest.raises(ValueError, match="same objects"):
        build(body)


@pytest.mark.parametrize("written", ["in/", "in/results/", "i", ""])
def test_a_function_that_would_trigger_itself_is_refused(build: Build, written: str) -> None:
    with pytest.raises(ValueError, match="each would trigger the next"):
        build(lambda: bucket(told(parts.function(), prefix="in/"), written_prefixes=[written]))
    assert not build.last.all("BucketNotification")


def test_writing_outside_every_filter_passes(build: Build) -> None:
    program = build(lambda: bucket(told(parts.function(), prefix="in/"), written_prefixes=["out/"]))
    assert program.all("BucketNotification")


def test_a_bucket_without_consumers_is_refused(build: Build) -> None:
    with pytest.raises(ValueError, match="without consumers"):
        build(bucket)


def test_a_queue_gets_a_bucket_s_events_once_it_admits_the_bucket(build: Build) -> None:
    def body() -> None:
        worker = parts.function()
        args = QueueTriggerArgs(function=worker, keys=QueueKeys(), source_bucket_arns=[BUCKET], account_id=ACCOUNT)
        bucket(told(QueueTrigger("worker", args), prefix="in/"))

    program = build(body)
    notification = program.one("BucketNotification")
    (queue,) = notification.inputs["queues"]
    assert queue["queueArn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:strata-test-worker-queue-0a1b2c"
    assert "worker-queue-admits" in program.behind(notification)
    assert not program.all("Permission"), "S3 sends to the queue; it invokes nothing"


def test_a_bucket_that_several_systems_share_has_one_notification(build: Build) -> None:
    def body() -> None:
        shared = SharedBucket("documents", PrivateBucketArgs(), ACCOUNT)
        for name in ("left", "right"):
            shared.tell(parts.function(name), ObjectFilter(prefix=f"{name}/"))
        shared.written_under("results/")
        shared.finish()

    program = build(body)
    told = program.one("BucketNotification").inputs["lambdaFunctions"]
    assert [each["filterPrefix"] for each in told] == ["left/", "right/"]
    assert not build(lambda: SharedBucket("documents", PrivateBucketArgs(), ACCOUNT).finish()).all("BucketNotification")
