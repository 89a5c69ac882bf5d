"""The embedding_processor as deployed: from its layers, under its role, on good and bad days of the database."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from rich.console import Console

from layer_builds.plan import host_architecture
from ops.migration import apply
from ops.redrive import redrive
from ops.stack import Stack
from sandbox.cloud import LocalCloud, wait_until
from sandbox.demos.embedding_processor import DEMO
from sandbox.demos.embedding_processor.demo import BUCKET, DIMENSION, SERVICE
from sandbox.screen import Steps

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.xdist_group("local-cloud"),
    pytest.mark.slow,
    pytest.mark.skipif(host_architecture() != "x86_64", reason="the layers are for x86_64"),
]

FUNCTION = "embedding_processor"
PATIENCE_SECONDS = 120.0
BEGIN = "public.begin_content_embeddings(text, text, text)"


def put(cloud: LocalCloud, key: str) -> None:
    """Upload a short text."""
    body = f"The harbour master writes down {key}.".encode()
    cloud.client("s3").put_object(Bucket=cloud.outputs["buckets"][BUCKET], Key=key, Body=body)


def rows(cloud: LocalCloud, prefix: str) -> list[str]:
    """The keys of the rows below a prefix, a row each."""
    with psycopg.connect(cloud.state(SERVICE).url()) as connection:
        query = "select metadata->>'key' from content_embeddings where metadata->>'key' like %s order by 1"
        return [key for (key,) in connection.execute(query, (f"{prefix}%",)).fetchall()]


def failures(cloud: LocalCloud) -> list[str]:
    """What the events in the dead-letter queue failed with; they are visible again at once."""
    sqs, url = cloud.client("sqs"), cloud.function(FUNCTION)["async_dlq_url"]
    found: list[str] = []
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        found.append(json.loads(message["Body"])["responsePayload"]["errorMessage"])
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    return found


def fresh(cloud: LocalCloud) -> None:
    """The next event meets a new environment, which knows nothing of the database."""
    cloud.host.kill(function=cloud.function(FUNCTION)["name"])


def wrong_key(cloud: LocalCloud) -> None:
    cloud.set_key(SERVICE, "sb_secret_of_another_project")


def right_key(cloud: LocalCloud) -> None:
    cloud.set_key(SERVICE, cloud.stand_ins[SERVICE].key)


def missing_migration(cloud: LocalCloud) -> None:
    statement(cloud, f"alter function {BEGIN} rename to gone")


def migrated(cloud: LocalCloud) -> None:
    statement(
        cloud, f"alter function {BEGIN.replace('begin_content_embeddings', 'gone')} rename to begin_content_embeddings"
    )


def other_dimension(cloud: LocalCloud) -> None:
    apply(cloud.state(SERVICE).url(), 768, replace=True)


def right_dimension(cloud: LocalCloud) -> None:
    apply(cloud.state(SERVICE).url(), DIMENSION, replace=True)


def statement(cloud: LocalCloud, sql: str) -> None:
    with psycopg.connect(cloud.state(SERVICE).url()) as connection:
        connection.execute(sql)  # type: ignore[arg-type]  # no literal, and nobody's input


def test_the_test_event_embeds_with_the_layers_model(cloud: LocalCloud) -> None:
    name = cloud.function(FUNCTION)["name"]
    answer = cloud.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b'{"test": true}')
    report = json.load(answer["Payload"])
    assert report["ok"], report["problems"]
    assert "(int8): 384 dimensions, 256 tokens" in json.dumps(report)


def test_the_demonstration(cloud: LocalCloud) -> None:
    report = DEMO.run(cloud, Steps(Console(file=io.StringIO())), True)
    assert report.faults() == []


def test_texts_that_come_in_thirty_seconds_without_a_database_are_there_afterwards(cloud: LocalCloud) -> None:
    cluster = cloud.state(SERVICE).cluster
    cluster.stop()
    began = time.monotonic()
    try:
        keys = [f"outage-30/{number}.txt" for number in range(4)]
        for key in keys:
            put(cloud, key)
        wait_until(lambda: time.monotonic() - began >= 30, "the outage to last", 60)
    finally:
        cluster.start()
    settled(cloud, lambda: rows(cloud, "outage-30/") == keys)
    assert all("UnavailableError" in said or "OutOfTimeError" in said for said in failures(cloud))
    put_through_again(cloud)
    wait_until(lambda: rows(cloud, "outage-30/") == keys, "every text's row", PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("name", "breaks", "repairs", "said"),
    [
        ("key", wrong_key, right_key, "KeyRefusedError: Supabase refused the key (401"),
        ("migration", missing_migration, migrated, "Apply the migration: `python -m ops supabase apply`"),
        ("dimension", other_dimension, right_dimension, "vectors of 384 dimensions, and content_embeddings holds 768"),
    ],
)
def test_what_is_wrong_is_said_and_putting_it_right_loses_no_text(
    cloud: LocalCloud,
    name: str,
    breaks: Callable[[LocalCloud], None],
    repairs: Callable[[LocalCloud], None],
    said: str,
) -> None:
    breaks(cloud)
    fresh(cloud)
    try:
        keys = [f"{name}/{number}.txt" for number in range(2)]
        for key in keys:
            put(cloud, key)
        settled(cloud, lambda: failed(cloud) == len(keys))
        found = failures(cloud)
    finally:
        repairs(cloud)
    assert found
    assert all(said in reason for reason in found), found
    assert "sb_secret" not in json.dumps(found)
    fresh(cloud)
    put_through_again(cloud)
    wait_until(lambda: rows(cloud, f"{name}/") == keys, "every text's row", PATIENCE_SECONDS)
    assert failed(cloud) == 0


def settled(cloud: LocalCloud, done: Callable[[], bool]) -> None:
    """Until that is so, or every event has ended otherwise."""
    wait_until(lambda: done() or failed(cloud) > 0, "the events to end", PATIENCE_SECONDS)
    wait_until(lambda: done() or idle(cloud), "every event to end", PATIENCE_SECONDS, 0.5)


def failed(cloud: LocalCloud) -> int:
    return cloud.failed_events(FUNCTION)


def idle(cloud: LocalCloud) -> bool:
    return all(environment["state"] == "idle" for environment in cloud.host.environments())


def put_through_again(cloud: LocalCloud) -> Any:
    """`ops redrive`."""
    stack = Stack(name="local", outputs=cloud.outputs, session=cloud.session(), endpoint=cloud.account.endpoint)
    return redrive(stack, FUNCTION)
