"""The embedding system as deployed: its function from the real layer, under its own role, over the wire."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError

from sandbox.cloud import wait_until
from sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from sandbox.cloud import LocalCloud

pytestmark = [pytest.mark.xdist_group("local-cloud"), pytest.mark.slow]

EMBEDDINGS = "/v1/embeddings"
UPSERT = "/vectors/upsert"
DENIED = r"not authorized|Access ?Denied"


@pytest.fixture(autouse=True)
def _calm(cloud: LocalCloud) -> Iterator[None]:
    """No fault and no message of one test reaches the next."""
    yield
    cloud.openai.faults.clear()
    cloud.pinecone.faults.clear()
    urls = [cloud.function()[key] for key in ("queue_url", "dlq_url")]
    wait_until(lambda: cloud.messages_left(urls[0]) == 0, "the queue to be empty", 60)
    cloud.client("sqs").purge_queue(QueueUrl=urls[1])


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"id": f"m-{uuid.uuid4().hex[:10]}", "text": text, **more}


def stored(cloud: LocalCloud, name: str, namespace: str = "") -> Any:
    """The index's record of an id, None when there is none."""
    for known in {namespace, namespace or "__default__"}:
        if (record := cloud.pinecone.store.records(known).get(name)) is not None:
            return record
    return None


def wait_for(cloud: LocalCloud, *messages: dict[str, Any], seconds: float = 90) -> None:
    ids = [entry["id"] for entry in messages]
    wait_until(lambda: all(stored(cloud, name) is not None for name in ids), f"the vectors of {ids}", seconds)


def answers(cloud: LocalCloud, since: float) -> list[int | None]:
    """What the OpenAI stand-in answered, in order."""
    return [entry.status for entry in cloud.openai.log.entries(EMBEDDINGS) if entry.started >= since]


def in_failure_queue(cloud: LocalCloud, seconds: int = 90) -> list[str]:
    url = cloud.function()["dlq_url"]
    wait_until(lambda: cloud.messages_left(url) > 0, "a message in the failure queue", seconds)
    found = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [entry["Body"] for entry in found]


# --- what it does ---


def test_a_message_becomes_the_vector_of_its_text(cloud: LocalCloud) -> None:
    one = message("The kettle sings on the stove.", metadata={"room": "kitchen"})
    cloud.send(one)
    wait_for(cloud, one)
    record = stored(cloud, one["id"])
    expected = cloud.openai.embed([one["text"]], 384)[0]
    assert float(np.dot(record.values, expected)) > 0.9999
    assert record.metadata["room"] == "kitchen"


def test_plain_text_is_a_message_too_and_names_itself(cloud: LocalCloud) -> None:
    text = f"plain {uuid.uuid4()}"
    cloud.send(text)
    wait_for(cloud, {"id": hashlib.sha256(text.encode()).hexdigest()})


def test_the_test_event_is_answered_from_the_layer_at_opt(cloud: LocalCloud) -> None:
    name = cloud.function()["name"]
    answer = cloud.client("lambda").invoke(FunctionName=name, Qualifier="live", Payload=b'{"test": true}')
    report = json.load(answer["Payload"])
    assert "FunctionError" not in answer, report
    assert {"openai", "pinecone", "tiktoken", "aws-lambda-powertools", "boto3"} <= set(json.dumps(report).split('"'))
    assert all("namespace" in entry["isolation"] or "/opt" in entry["isolation"] for entry in cloud.host.environments())


# --- what goes wrong, over the wire ---


def test_a_429_is_repeated_after_the_time_that_the_server_asks_for(cloud: LocalCloud) -> None:
    cloud.openai.faults.script(Fault(429, headers={"retry-after": "2"}), path=EMBEDDINGS)
    since, one = time.time(), message("Please slow down.")
    cloud.send(one)
    wait_for(cloud, one)
    assert answers(cloud, since) == [429, 200]
    first, second = [entry.started for entry in cloud.openai.log.entries(EMBEDDINGS) if entry.started >= since]
    assert second - first >= 1.9


def test_server_errors_are_repeated_within_the_invocation(cloud: LocalCloud) -> None:
    cloud.openai.faults.script(Fault(500), Fault(503), path=EMBEDDINGS)
    since, one = time.time(), message("Third time lucky.")
    cloud.send(one)
    wait_for(cloud, one)
    assert answers(cloud, since) == [500, 503, 200]


def test_errors_that_do_not_stop_return_the_message_and_a_later_delivery_works(cloud: LocalCloud) -> None:
    cloud.openai.faults.script(*[Fault(500)] * 4, path=EMBEDDINGS)
    since, one = time.time(), message("Delivered again.")
    cloud.send(one)
    wait_for(cloud, one)
    assert answers(cloud, since) == [500, 500, 500, 500, 200]


def test_a_call_that_hangs_is_given_up_and_repeated(cloud: LocalCloud) -> None:
    cloud.openai.faults.script(Fault(delay_seconds=90), path=EMBEDDINGS)
    one, started = message("Hello, is anybody there?"), time.monotonic()
    cloud.send(one)
    wait_for(cloud, one)
    assert 2.0 <= time.monotonic() - started < 60, "given up after openai_timeout_seconds of Pulumi.local.yaml"


def test_a_dropped_connection_and_a_failing_index_lose_nothing(cloud: LocalCloud) -> None:
    cloud.openai.faults.script(Fault(drop="before"), path=EMBEDDINGS)
    cloud.pinecone.faults.script(Fault(503), Fault(drop="after"), path=UPSERT)
    one = message("Through the storm.")
    cloud.send(one)
    wait_for(cloud, one)


def test_a_rotated_key_is_picked_up_without_a_new_deployment(cloud: LocalCloud) -> None:
    warm = message("Before the rotation.")
    cloud.send(warm)
    wait_for(cloud, warm)
    # The next message goes to the process that has the old key in its cache.
    wait_until(lambda: all(entry["state"] == "idle" for entry in cloud.host.environments()), "idle processes")
    since, key = time.time(), f"rotated-{uuid.uuid4().hex}"
    cloud.openai.keys.rotate(key)
    cloud.set_secret("OPENAI_API_KEY", key)
    cloud.keys["OPENAI_API_KEY"] = key
    one = message("After the rotation.")
    cloud.send(one)
    wait_for(cloud, one)
    found = answers(cloud, since)
    assert found[0] == 401
    assert found[-1] == 200


def test_a_key_that_no_server_accepts_returns_all_messages_until_it_is_right_again(cloud: LocalCloud) -> None:
    right = cloud.keys["PINECONE_API_KEY"]
    cloud.pinecone.keys.rotate("another")
    one, since = message("Waiting for the key."), time.time()
    cloud.send(one)
    wait_until(
        lambda: any(e.status == 401 for e in cloud.pinecone.log.entries() if e.started >= since), "a refusal", 60
    )
    assert stored(cloud, one["id"]) is None
    cloud.pinecone.keys.rotate(right)
    wait_for(cloud, one)


def test_a_malformed_message_ends_in_the_failure_queue_and_its_neighbours_do_not(cloud: LocalCloud) -> None:
    good = [message(f"Good neighbour {number}.") for number in range(4)]
    bad = '{"id": "bad", "text": '
    cloud.send(*good[:2], bad, *good[2:])
    wait_for(cloud, *good)
    assert in_failure_queue(cloud) == [bad]
    deliveries = [line for line in cloud.logs() if '"message failed"' in line and "is no valid JSON" in line]
    assert len(deliveries) == 5, "maxReceiveCount"


def test_a_message_delivered_twice_is_one_vector(cloud: LocalCloud) -> None:
    one = message("Once is enough.")
    before = sum(cloud.pinecone.store.counts().values())
    cloud.send(one)
    wait_for(cloud, one)
    cloud.send(one, one)
    wait_until(lambda: cloud.messages_left(cloud.function()["queue_url"]) == 0, "the queue to be empty")
    assert sum(cloud.pinecone.store.counts().values()) == before + 1


@pytest.mark.parametrize("phase", ["running", "answered"])
def test_a_process_killed_in_its_work_loses_and_doubles_nothing(cloud: LocalCloud, phase: Any) -> None:
    before = sum(cloud.pinecone.store.counts().values())
    cloud.host.plan_fault(cloud.function()["name"], phase)
    ones = [message(f"Killed {phase} {number}.") for number in range(3)]
    cloud.send(*ones)
    wait_for(cloud, *ones)
    wait_until(lambda: cloud.messages_left(cloud.function()["queue_url"]) == 0, "the queue to be empty")
    assert sum(cloud.pinecone.store.counts().values()) == before + 3


def test_no_secret_value_is_in_the_logs(cloud: LocalCloud) -> None:
    text = "\n".join(cloud.logs())
    assert "batch done" in text
    for value in cloud.keys.values():
        assert value not in text


# --- what its role may do ---


def role_session(cloud: LocalCloud) -> boto3.Session:
    keys = cloud.client("sts").assume_role(RoleArn=cloud.function()["role_arn"], RoleSessionName="test")["Credentials"]
    return boto3.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=cloud.account.region
    )


def write_logs(cloud: LocalCloud, client: Callable[[str], Any]) -> None:
    names = {"logGroupName": cloud.function()["log_group"], "logStreamName": f"test-{uuid.uuid4().hex}"}
    client("logs").create_log_stream(**names)
    now = int(time.time() * 1000)
    client("logs").put_log_events(**names, logEvents=[{"timestamp": now, "message": "hello"}])


def send_traces(cloud: LocalCloud, client: Callable[[str], Any]) -> None:
    """The emulator has no X-Ray, so IAM's own simulator is asked."""
    actions = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    asked = cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=cloud.function()["role_arn"], ActionNames=actions
    )
    decisions = {entry["EvalActionName"]: entry["EvalDecision"] for entry in asked["EvaluationResults"]}
    if decisions != dict.fromkeys(actions, "allowed"):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": f"not authorized: {decisions}"}}, "Simulate")


def read_secrets(cloud: LocalCloud, client: Callable[[str], Any]) -> None:
    for arn in cloud.function()["secrets"].values():
        client("secretsmanager").get_secret_value(SecretId=arn)


def consume_queue(cloud: LocalCloud, client: Callable[[str], Any]) -> None:
    url = cloud.function()["queue_url"]
    client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    client("sqs").receive_message(QueueUrl=url, WaitTimeSeconds=0)


USES: dict[str, Callable[[LocalCloud, Callable[[str], Any]], None]] = {
    "WriteLogs": write_logs,
    "SendTraces": send_traces,
    "ReadSecrets": read_secrets,
    "ConsumeQueue": consume_queue,
}
"""Statement of the role → the calls that it is for."""


def role_name(cloud: LocalCloud) -> str:
    return cloud.function()["role_arn"].rsplit("/", 1)[1]


def policies(cloud: LocalCloud) -> dict[str, dict[str, Any]]:
    """The role's inline policies by name."""
    iam, role = cloud.client("iam"), role_name(cloud)
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}


@contextlib.contextmanager
def without(cloud: LocalCloud, sid: str) -> Generator[None]:
    """The role without one statement."""
    iam, role = cloud.client("iam"), role_name(cloud)
    for name, policy in policies(cloud).items():
        if any(statement["Sid"] == sid for statement in policy["Statement"]):
            left = [statement for statement in policy["Statement"] if statement["Sid"] != sid]
            if left:
                put = json.dumps({**policy, "Statement": left})
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=put)
            else:
                iam.delete_role_policy(RoleName=role, PolicyName=name)
            try:
                yield
            finally:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
            return
    raise AssertionError(f"the role has no statement {sid}")


def test_every_statement_of_the_role_has_a_use(cloud: LocalCloud) -> None:
    sids = [statement["Sid"] for policy in policies(cloud).values() for statement in policy["Statement"]]
    assert sorted(sids) == sorted(USES)


@pytest.mark.parametrize("sid", USES)
def test_each_statement_is_needed_for_the_call_that_it_is_for(cloud: LocalCloud, sid: str) -> None:
    session = role_session(cloud)

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=cloud.account.endpoint)  # type: ignore[call-overload]

    USES[sid](cloud, client)
    with without(cloud, sid), pytest.raises(ClientError, match=DENIED):
        USES[sid](cloud, client)
    USES[sid](cloud, client)


def test_without_its_secrets_the_function_returns_the_messages_and_they_arrive_once_it_may_read_them(
    cloud: LocalCloud,
) -> None:
    one = message("Locked out for a moment.")
    with without(cloud, "ReadSecrets"):
        cloud.host.kill(function=cloud.function()["name"], state="idle")  # secrets are cached while a process lives
        since = time.time()
        cloud.send(one)
        wait_until(lambda: any("not authorized" in line for line in cloud.logs()), "the refusal in the log", 60)
        assert answers(cloud, since) == []
    wait_for(cloud, one)


def test_the_role_may_do_nothing_else(cloud: LocalCloud) -> None:
    session = role_session(cloud)
    forbidden = {
        ("sqs", "send_message"): {"QueueUrl": cloud.function()["queue_url"], "MessageBody": "x"},
        ("sqs", "receive_message"): {"QueueUrl": cloud.function()["dlq_url"]},
        ("s3", "list_objects_v2"): {"Bucket": cloud.outputs["artifact_bucket"]},
        ("iam", "list_roles"): {},
        ("logs", "create_log_group"): {"logGroupName": "new"},
        ("secretsmanager", "list_secrets"): {},
        ("lambda", "invoke"): {"FunctionName": cloud.function()["name"]},
    }
    for (service, operation), arguments in forbidden.items():
        client: Any = session.client(service, endpoint_url=cloud.account.endpoint)  # type: ignore[call-overload]
        with pytest.raises(ClientError, match=DENIED):
            getattr(client, operation)(**arguments)


def test_the_index_server_can_be_restarted_while_messages_arrive(cloud: LocalCloud) -> None:
    ones = [message(f"While the index was away {number}.") for number in range(3)]
    port = cloud.pinecone_url
    before = dict(cloud.pinecone.store.counts())
    cloud.send(*ones[:2])
    cloud.restart_index(down_seconds=1.0)
    cloud.send(ones[2])
    wait_for(cloud, *ones)
    assert cloud.pinecone_url == port
    assert sum(cloud.pinecone.store.counts().values()) == sum(before.values()) + 3
