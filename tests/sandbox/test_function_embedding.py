"""The embedding system as deployed: its function from the real layer, under its own role, over the wire."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sandbox.cloud import wait_until
from sandbox.role_calls import Role
from sandbox.standins.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from sandbox.cloud import LocalCloud
    from sandbox.standins.openai.server import OpenAIState
    from sandbox.standins.pinecone.server import PineconeState

pytestmark = [pytest.mark.xdist_group("local-cloud"), pytest.mark.slow]

FUNCTION = "embedding"
CONFIG = {"timeout_seconds": 30, "openai_timeout_seconds": 2.5, "openai_max_retries": 3}
"""Short timeouts, so faults are short too."""
OPTIONS = {"pinecone": {"on_disk": True}}
EMBEDDINGS = "/v1/embeddings"
UPSERT = "/vectors/upsert"


@pytest.fixture(autouse=True)
def _calm(cloud: LocalCloud) -> Iterator[None]:
    """No fault and no message of one test reaches the next."""
    yield
    openai(cloud).faults.clear()
    index(cloud).faults.clear()
    urls = [cloud.function(FUNCTION)[key] for key in ("queue_url", "dlq_url")]
    wait_until(lambda: cloud.messages_left(urls[0]) == 0, "the queue to be empty", 200)
    cloud.client("sqs").purge_queue(QueueUrl=urls[1])


def openai(cloud: LocalCloud) -> OpenAIState:
    state: OpenAIState = cloud.state("openai")
    return state


def index(cloud: LocalCloud) -> PineconeState:
    state: PineconeState = cloud.state("pinecone")
    return state


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"id": f"m-{uuid.uuid4().hex[:10]}", "text": text, **more}


def stored(cloud: LocalCloud, name: str, namespace: str = "") -> Any:
    """The index's record of an id, None when there is none."""
    for known in {namespace, namespace or "__default__"}:
        if (record := index(cloud).store.records(known).get(name)) is not None:
            return record
    return None


def wait_for(cloud: LocalCloud, *messages: dict[str, Any], seconds: float = 200) -> None:
    ids = [entry["id"] for entry in messages]
    wait_until(lambda: all(stored(cloud, name) is not None for name in ids), f"the vectors of {ids}", seconds)


def answers(cloud: LocalCloud, since: float) -> list[int | None]:
    """What the OpenAI stand-in answered, in order."""
    return [entry.status for entry in openai(cloud).log.entries(EMBEDDINGS) if entry.started >= since]


def in_dead_letter_queue(cloud: LocalCloud, seconds: int = 90) -> list[str]:
    url = cloud.function(FUNCTION)["dlq_url"]
    wait_until(lambda: cloud.messages_left(url) > 0, "a message in the dead-letter queue", seconds)
    found = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [entry["Body"] for entry in found]


# --- what it does ---


def test_a_message_becomes_the_vector_of_its_text(cloud: LocalCloud) -> None:
    one = message("The kettle sings on the stove.", metadata={"room": "kitchen"})
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    record = stored(cloud, one["id"])
    expected = openai(cloud).embed([one["text"]], 384)[0]
    assert float(np.dot(record.values, expected)) > 0.9999
    assert record.metadata["room"] == "kitchen"


def test_plain_text_is_a_message_too_and_names_itself(cloud: LocalCloud) -> None:
    text = f"plain {uuid.uuid4()}"
    cloud.send(text, function=FUNCTION)
    wait_for(cloud, {"id": hashlib.sha256(text.encode()).hexdigest()})


def test_the_test_event_is_answered_from_the_layer_at_opt(cloud: LocalCloud) -> None:
    name = cloud.function(FUNCTION)["name"]
    answer = cloud.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b'{"test": true}')
    report = json.load(answer["Payload"])
    assert "FunctionError" not in answer, report
    assert {"openai", "pinecone", "tiktoken", "aws-lambda-powertools", "boto3"} <= set(json.dumps(report).split('"'))
    assert all("namespace" in entry["isolation"] or "/opt" in entry["isolation"] for entry in cloud.host.environments())


# --- what goes wrong, over the wire ---


def test_a_429_is_repeated_after_the_time_that_the_server_asks_for(cloud: LocalCloud) -> None:
    openai(cloud).faults.script(Fault(429, headers={"retry-after": "2"}), path=EMBEDDINGS)
    since, one = time.time(), message("Please slow down.")
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    assert answers(cloud, since) == [429, 200]
    first, second = [entry.started for entry in openai(cloud).log.entries(EMBEDDINGS) if entry.started >= since]
    assert second - first >= 1.9


def test_server_errors_are_repeated_within_the_invocation(cloud: LocalCloud) -> None:
    openai(cloud).faults.script(Fault(500), Fault(503), path=EMBEDDINGS)
    since, one = time.time(), message("Third time lucky.")
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    assert answers(cloud, since) == [500, 503, 200]


def test_errors_that_do_not_stop_return_the_message_and_a_later_delivery_works(cloud: LocalCloud) -> None:
    openai(cloud).faults.script(*[Fault(500)] * 4, path=EMBEDDINGS)
    since, one = time.time(), message("Delivered again.")
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    found = answers(cloud, since)
    assert found[:4] == [500] * 4, "tried as often as the settings say"
    assert set(found[4:]) == {200}, "asked whether the server takes anything at all, and delivered again"


def test_a_call_that_hangs_is_given_up_and_repeated(cloud: LocalCloud) -> None:
    openai(cloud).faults.script(Fault(delay_seconds=90), path=EMBEDDINGS)
    one, started = message("Hello, is anybody there?"), time.monotonic()
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    assert 2.0 <= time.monotonic() - started < 85, "given up after openai_timeout_seconds"


def test_a_dropped_connection_and_a_failing_index_lose_nothing(cloud: LocalCloud) -> None:
    openai(cloud).faults.script(Fault(drop="before"), path=EMBEDDINGS)
    index(cloud).faults.script(Fault(503), Fault(drop="after"), path=UPSERT)
    one = message("Through the storm.")
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)


def test_a_rotated_key_is_picked_up_without_a_new_deployment(cloud: LocalCloud) -> None:
    warm = message("Before the rotation.")
    cloud.send(warm, function=FUNCTION)
    wait_for(cloud, warm)
    # The next message goes to the process that has the old key in its cache.
    wait_until(lambda: all(entry["state"] == "idle" for entry in cloud.host.environments()), "idle processes")
    since, key = time.time(), f"rotated-{uuid.uuid4().hex}"
    cloud.stand_ins["openai"].rotate(key)
    cloud.set_key("openai", key)
    one = message("After the rotation.")
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    found = answers(cloud, since)
    assert found[0] == 401
    assert found[-1] == 200


def test_a_key_that_no_server_accepts_returns_all_messages_until_it_is_right_again(cloud: LocalCloud) -> None:
    right = cloud.stand_ins["pinecone"].key
    index(cloud).keys.rotate("another")
    one, since = message("Waiting for the key."), time.time()
    cloud.send(one, function=FUNCTION)
    wait_until(lambda: any(e.status == 401 for e in index(cloud).log.entries() if e.started >= since), "a refusal", 60)
    assert stored(cloud, one["id"]) is None
    index(cloud).keys.rotate(right)
    wait_for(cloud, one)


def test_a_malformed_message_ends_in_the_dead_letter_queue_and_its_neighbours_do_not(cloud: LocalCloud) -> None:
    good = [message(f"Good neighbour {number}.") for number in range(4)]
    bad = '{"id": "bad", "text": '
    cloud.send(*good[:2], bad, *good[2:], function=FUNCTION)
    wait_for(cloud, *good)
    assert in_dead_letter_queue(cloud) == [bad]
    deliveries = [line for line in cloud.logs(FUNCTION) if '"message failed"' in line and "is not valid JSON" in line]
    assert len(deliveries) == 5, "maxReceiveCount"


def test_a_message_delivered_twice_is_one_vector(cloud: LocalCloud) -> None:
    one = message("Once is enough.")
    before = sum(index(cloud).store.counts().values())
    cloud.send(one, function=FUNCTION)
    wait_for(cloud, one)
    cloud.send(one, one, function=FUNCTION)
    wait_until(lambda: cloud.messages_left(cloud.function(FUNCTION)["queue_url"]) == 0, "the queue to be empty")
    assert sum(index(cloud).store.counts().values()) == before + 1


@pytest.mark.parametrize("phase", ["running", "answered"])
def test_a_process_killed_in_its_work_loses_and_doubles_nothing(cloud: LocalCloud, phase: Any) -> None:
    before = sum(index(cloud).store.counts().values())
    cloud.host.plan_fault(cloud.function(FUNCTION)["name"], phase)
    ones = [message(f"Killed {phase} {number}.") for number in range(3)]
    cloud.send(*ones, function=FUNCTION)
    wait_for(cloud, *ones)
    wait_until(lambda: cloud.messages_left(cloud.function(FUNCTION)["queue_url"]) == 0, "the queue to be empty")
    assert sum(index(cloud).store.counts().values()) == before + 3


def test_no_secret_value_is_in_the_logs(cloud: LocalCloud) -> None:
    text = "\n".join(cloud.logs(FUNCTION))
    assert "batch done" in text
    for stand_in in cloud.stand_ins.values():
        assert stand_in.key not in text


# --- what its role may do ---


@contextlib.contextmanager
def without_secrets(cloud: LocalCloud) -> Generator[None]:
    """The role without its statement for secrets."""
    role = Role(cloud, cloud.function(FUNCTION)["role_arn"])
    for name, policy in role.policies().items():
        left = [statement for statement in policy["Statement"] if statement["Sid"] != "ReadSecrets"]
        if left != policy["Statement"]:
            role.put(name, {**policy, "Statement": left})
            try:
                yield
            finally:
                role.put(name, policy)


def test_without_its_secrets_the_function_returns_the_messages_and_they_arrive_once_it_may_read_them(
    cloud: LocalCloud,
) -> None:
    one = message("Locked out for a moment.")
    with without_secrets(cloud):
        cloud.host.kill(
            function=cloud.function(FUNCTION)["name"], state="idle"
        )  # secrets are cached while a process lives
        since = time.time()
        cloud.send(one, function=FUNCTION)
        wait_until(lambda: any("not authorized" in line for line in cloud.logs(FUNCTION)), "the refusal in the log", 60)
        assert answers(cloud, since) == []
    wait_for(cloud, one)


def test_the_role_may_do_nothing_else(cloud: LocalCloud) -> None:
    role = Role(cloud, cloud.function(FUNCTION)["role_arn"])
    function, artifacts = cloud.function(FUNCTION), f"arn:aws:s3:::{cloud.outputs['artifact_bucket']}"
    assert role.may("sqs:ReceiveMessage", function["queue_arn"])
    for action, resource in {
        "sqs:SendMessage": function["queue_arn"],
        "sqs:ReceiveMessage": function["dlq_arn"],
        "s3:ListBucket": artifacts,
        "s3:GetObject": f"{artifacts}/layers/x.zip",
        "lambda:InvokeFunction": function["alias_arn"],
        "iam:ListRoles": "*",
        "logs:CreateLogGroup": "*",
        "secretsmanager:ListSecrets": "*",
    }.items():
        assert not role.may(action, resource), action


def test_the_index_server_can_be_restarted_while_messages_arrive(cloud: LocalCloud) -> None:
    ones = [message(f"While the index was away {number}.") for number in range(3)]
    url = cloud.stand_ins["pinecone"].url
    before = dict(index(cloud).store.counts())
    cloud.send(*ones[:2], function=FUNCTION)
    cloud.stand_ins["pinecone"].restart(down_seconds=1.0)
    cloud.send(ones[2], function=FUNCTION)
    wait_for(cloud, *ones)
    assert cloud.stand_ins["pinecone"].url == url
    assert sum(index(cloud).store.counts().values()) == sum(before.values()) + 3
