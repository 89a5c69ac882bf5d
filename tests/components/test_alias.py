"""Every trigger goes through the alias: a published version, never what is being worked on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from components.bucket_trigger import BucketConsumer, BucketTrigger, BucketTriggerArgs
from components.http_trigger import HttpTrigger, HttpTriggerArgs
from components.queue_trigger import QueueTrigger, QueueTriggerArgs
from components.topic_trigger import TopicTrigger, TopicTriggerArgs
from tests.components import parts
from tests.harness import ACCOUNT, strings_in

if TYPE_CHECKING:
    from tests.harness import Build, Program

FUNCTION_ARN = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[^/\"]+")


@pytest.fixture
def everything(build: Build) -> Program:
    """A function with one trigger of each kind."""

    def body() -> None:
        worker = parts.function()
        queue = QueueTriggerArgs(
            function=worker,
            service="worker",
            batch_size=1,
            batching_window_seconds=0,
            maximum_concurrency=2,
            max_receive_count=5,
            max_message_bytes=262_144,
        )
        QueueTrigger("worker", queue)
        bucket = "arn:aws:s3:::uploads"
        topic = TopicTriggerArgs(function=worker, account_id=ACCOUNT, source_bucket_arns=[bucket])
        consumers = [
            BucketConsumer(target=TopicTrigger("files", topic), prefix="text/"),
            BucketConsumer(target=worker, prefix="pdf/"),
        ]
        args = BucketTriggerArgs(bucket="uploads", bucket_arn=bucket, account_id=ACCOUNT, consumers=consumers)
        BucketTrigger("uploads", args)
        http = HttpTriggerArgs(
            function=worker, routes=["$default"], requests_per_second=1, burst=1, log_retention_days=1
        )
        HttpTrigger("worker", http)

    return build(body)


def test_no_input_names_the_unpublished_code(everything: Program) -> None:
    assert "$LATEST" not in list(strings_in([one.inputs for one in everything.resources]))


def test_every_function_that_is_named_by_arn_is_named_with_its_alias(everything: Program) -> None:
    found = [
        (one.type, arn)
        for one in everything.resources
        for text in strings_in(one.inputs)
        for arn in FUNCTION_ARN.findall(text)
    ]
    assert {kind.rpartition(":")[2] for kind, _ in found} == {
        *("EventSourceMapping", "TopicSubscription", "BucketNotification", "Integration")
    }
    assert [arn for _, arn in found if not arn.endswith(":live")] == []


def test_every_permission_says_which_version_for_which_source(everything: Program) -> None:
    permissions = everything.all("Permission")
    assert len(permissions) == 3
    for one in permissions:
        assert one.inputs["qualifier"] == "live"
        assert one.inputs["sourceArn"].startswith("arn:aws:")
        assert ("sourceAccount" in one.inputs) == (one.inputs["principal"] == "s3.amazonaws.com")


def test_the_failure_config_is_the_alias_s_own(everything: Program) -> None:
    assert everything.one("FunctionEventInvokeConfig").inputs["qualifier"] == "live"
