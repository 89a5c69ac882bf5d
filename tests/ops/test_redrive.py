"""redrive: everything goes back to the queue or the function, and no message is ever in neither of the two."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from ops.errors import OpsError, UsageError
from ops.redrive import redrive
from tests.ops.move_task import MoveTasks
from tests.ops.refusing import FORBIDDEN, Refusing

if TYPE_CHECKING:
    from tests.ops.conftest import Deployed


def test_every_message_goes_back_with_its_attributes(deployed: Deployed) -> None:
    sqs = deployed.client("sqs")
    attributes = {
        "kind": {"DataType": "String", "StringValue": "pdf"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"},
    }
    sqs.send_message(QueueUrl=deployed.function["dlq_url"], MessageBody="{}", MessageAttributes=attributes)
    assert redrive(deployed.stack, "embedding").data["moved"] == 1
    [message] = sqs.receive_message(QueueUrl=deployed.function["queue_url"], MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "{}"
    assert message["MessageAttributes"] == attributes
    assert deployed.bodies(dead=True) == []


def test_more_messages_than_one_batch_all_go_back(deployed: Deployed) -> None:
    bodies = sorted(f"message {number}" for number in range(37))
    deployed.send(*bodies)
    report = redrive(deployed.stack, "embedding")
    assert (report.ok, report.data["moved"]) == (True, 37)
    assert deployed.bodies(dead=False) == bodies
    assert deployed.bodies(dead=True) == []


def test_large_messages_are_sent_in_batches_that_sqs_takes(deployed: Deployed) -> None:
    bodies = sorted(str(number) * 200_000 for number in range(4))
    deployed.send(*bodies)
    assert redrive(deployed.stack, "embedding").data["moved"] == 4
    assert deployed.bodies(dead=False) == bodies


def test_max_leaves_the_rest_where_it_was(deployed: Deployed) -> None:
    deployed.send(*(f"{number:02}" for number in range(13)))
    assert redrive(deployed.stack, "embedding", limit=11).data["moved"] == 11
    assert len(deployed.bodies(dead=False)) == 11
    assert len(deployed.bodies(dead=True)) == 2


def test_a_dry_run_lists_and_moves_nothing(deployed: Deployed) -> None:
    deployed.send("first\nline", "x" * 500)
    report = redrive(deployed.stack, "embedding", dry_run=True)
    found: list[dict[str, Any]] = report.data["messages"]  # type: ignore[assignment]
    assert report.data["in_queue"] == 2
    assert sorted(one["begins"] for one in found) == ["first line", "x" * 59 + "…"]
    assert deployed.bodies(dead=False) == []
    assert len(deployed.bodies(dead=True)) == 2, "a listing gives every message back at once"


def test_a_message_that_the_queue_does_not_take_stays_in_the_dead_letter_queue(deployed: Deployed) -> None:
    deployed.send("x" * 2000, "good")
    deployed.client("sqs").set_queue_attributes(
        QueueUrl=deployed.function["queue_url"], Attributes={"MaximumMessageSize": "1024"}
    )
    report = redrive(deployed.stack, "embedding")
    assert not report.ok
    assert len(report.data["failed"]) == 1  # type: ignore[arg-type]
    assert deployed.bodies(dead=False) == ["good"]
    assert deployed.bodies(dead=True) == ["x" * 2000]


def test_messages_that_fail_again_are_not_moved_round_and_round(deployed: Deployed) -> None:
    """A consumer that rejects everything at once: the moved message is back before redrive looks again."""
    sqs, function = deployed.client("sqs"), deployed.function
    policy = json.dumps({"deadLetterTargetArn": function["dlq_arn"], "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=function["queue_url"], Attributes={"RedrivePolicy": policy})
    deployed.send("poison")
    real = deployed.stack.client("sqs")

    def consume_and_fail(**_: object) -> None:
        for _attempt in range(2):
            sqs.receive_message(QueueUrl=function["queue_url"], VisibilityTimeout=0)

    real.meta.events.register("after-call.sqs.DeleteMessageBatch", consume_and_fail)
    report = redrive(with_clients(deployed, sqs=real), "embedding")
    assert report.data["moved"] == 1
    assert report.data["came_back"] == 1
    assert deployed.bodies(dead=True) == ["poison"]


def test_a_crash_between_sending_and_deleting_leaves_a_copy_in_both_queues(deployed: Deployed) -> None:
    deployed.send("precious")
    real = deployed.stack.client("sqs")

    def pull_the_plug(**_: object) -> None:
        raise ConnectionError("gone")

    real.meta.events.register("before-call.sqs.DeleteMessageBatch", pull_the_plug)
    with pytest.raises(ConnectionError):
        redrive(with_clients(deployed, sqs=real), "embedding")
    assert deployed.bodies(dead=False) == ["precious"]
    handles = deployed.client("sqs").get_queue_attributes(
        QueueUrl=deployed.function["dlq_url"], AttributeNames=["All"]
    )["Attributes"]
    assert handles["ApproximateNumberOfMessagesNotVisible"] == "1", "still there, hidden until its visibility ends"


def test_a_fifo_queue_keeps_groups(deployed: Deployed) -> None:
    sqs = deployed.client("sqs")
    urls: dict[str, str] = {}
    for key in ("queue", "dlq"):
        name = deployed.function[f"{key}_url"].rsplit("/", 1)[1] + ".fifo"
        urls[f"{key}_url"] = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    deployed.function.update(urls)
    sqs.send_message(QueueUrl=urls["dlq_url"], MessageBody="a", MessageGroupId="g", MessageDeduplicationId="d")
    assert redrive(deployed.stack, "embedding").data["moved"] == 1
    [message] = sqs.receive_message(QueueUrl=urls["queue_url"], MessageSystemAttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "g"


def test_sqs_moves_everything_itself_where_it_can(deployed: Deployed) -> None:
    deployed.send("one", "two")
    with MoveTasks(deployed.account) as endpoint:
        report = redrive(deployed.at(endpoint), "embedding", per_second=100, wait=lambda _: None)
    assert report.data == {
        "function": "embedding",
        "how": "move task",
        "status": "COMPLETED",
        "moved": 2,
        "reason": None,
    }
    assert deployed.bodies(dead=False) == ["one", "two"]


def test_a_move_task_that_fails_is_a_failure_with_its_reason(deployed: Deployed) -> None:
    with MoveTasks(deployed.account, failure="CouldNotDetermineMessageSource") as endpoint:
        report = redrive(deployed.at(endpoint), "embedding", wait=lambda _: None)
    assert not report.ok
    assert report.data["reason"] == "CouldNotDetermineMessageSource"


def test_a_task_that_is_not_listed_at_once_is_waited_for(deployed: Deployed) -> None:
    deployed.send("one")
    with MoveTasks(deployed.account, unlisted=3) as endpoint:
        report = redrive(deployed.at(endpoint), "embedding", wait=lambda _: None)
    assert (report.ok, report.data["moved"]) == (True, 1)
    with (
        MoveTasks(deployed.account, unlisted=99) as endpoint,
        pytest.raises(OpsError, match="SQS has taken the move and does not list it"),
    ):
        redrive(deployed.at(endpoint), "embedding", wait=lambda _: None)


def test_a_move_that_an_interrupted_command_left_running_is_waited_for(deployed: Deployed) -> None:
    queue = deployed.stack.function("embedding").dead_letters
    assert queue is not None
    with MoveTasks(deployed.account, busy=queue.arn) as endpoint:
        report = redrive(deployed.at(endpoint), "embedding", wait=lambda _: None)
    assert (report.ok, report.data["moved"]) == (True, 5)
    assert report.notes[0].startswith("a move was under way already")


def test_a_move_that_sqs_refuses_though_none_runs_is_an_error(deployed: Deployed) -> None:
    queue = deployed.stack.function("embedding").dead_letters
    assert queue is not None
    tasks = MoveTasks(deployed.account, busy=queue.arn)
    tasks.looks = 1
    with tasks as endpoint, pytest.raises(ClientError, match="There is already a task running"):
        redrive(deployed.at(endpoint), "embedding", wait=lambda _: None)


def test_a_function_without_a_dead_letter_queue_is_refused(deployed: Deployed) -> None:
    deployed.function["dlq_url"] = None
    with pytest.raises(UsageError, match="has no dead-letter queue"):
        redrive(deployed.stack, "embedding")


def test_a_rate_for_some_messages_is_refused(deployed: Deployed) -> None:
    with pytest.raises(OpsError, match="--rate"):
        redrive(deployed.stack, "embedding", limit=1, per_second=5)


def test_a_long_listing_ends_when_it_has_seen_everything(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that are visible again before the end was reached were listed round and round."""
    monkeypatch.setattr("ops.dead_letters.LOOK_SECONDS", 0)
    deployed.send("one", "two", "three")
    assert len(redrive(deployed.stack, "embedding", dry_run=True, limit=100).data["messages"]) == 3  # type: ignore[arg-type]


def failed_event(payload: object, request: str = "0") -> str:
    """What Lambda puts into the dead-letter queue:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
    """
    context = {"requestId": request, "condition": "RetriesExhausted", "approximateInvokeCount": 3}
    error = {"errorMessage": "no such thing", "errorType": "ValueError"}
    return json.dumps(
        {"version": "1.0", "requestContext": context, "requestPayload": payload, "responsePayload": error}
    )


def asynchronous(deployed: Deployed) -> None:
    """The function is behind a topic, not a queue: `dlq_url` is all that its trigger exports."""
    deployed.function["queue_url"] = deployed.function["queue_arn"] = None


def test_the_queue_of_failed_events_is_the_one_that_the_program_exports(deployed: Deployed) -> None:
    """`async_dlq_url` of a bucket's or topic's function was not looked at: `ops redrive` found no dead-letter queue."""
    for kind in ("url", "arn"):
        deployed.function[f"async_dlq_{kind}"] = deployed.function.pop(f"dlq_{kind}")
    asynchronous(deployed)
    found = deployed.stack.function("embedding").dead_letters
    assert found is not None
    assert found.url == deployed.function["async_dlq_url"]


def heard(client: Any) -> list[dict[str, Any]]:
    """Every invocation that goes through a client from now on."""
    calls: list[dict[str, Any]] = []
    client.meta.events.register("provide-client-params.lambda.Invoke", lambda params, **_: calls.append(params))
    return calls


def test_an_event_that_is_refused_again_at_once_is_not_given_back_without_end(deployed: Deployed) -> None:
    """A refused file's event is sent to the queue by the function itself: the local cloud knows it by another id."""
    deployed.send(failed_event({"n": 1}, "first"))
    asynchronous(deployed)
    client = deployed.stack.client("lambda")
    calls = heard(client)
    again = lambda **_: deployed.send(failed_event({"n": 1}, f"again {len(calls)}"))  # noqa: E731
    client.meta.events.register("after-call.lambda.Invoke", again)
    assert redrive(with_clients(deployed, **{"lambda": client}), "embedding").data["moved"] == 1
    assert len(deployed.bodies(dead=True)) == 1


def test_failed_events_are_given_to_the_function_again(deployed: Deployed) -> None:
    """The alarm on their dead-letter queue says `ops redrive`, which refused them."""
    events = [{"Records": [{"s3": {"object": {"key": f"{number}.pdf"}}}]} for number in range(12)]
    deployed.send(*(failed_event(event, str(number)) for number, event in enumerate(events)))
    asynchronous(deployed)
    client = deployed.stack.client("lambda")
    calls = heard(client)
    report = redrive(with_clients(deployed, **{"lambda": client}), "embedding")
    assert (report.ok, report.data["moved"]) == (True, 12)
    assert deployed.bodies(dead=True) == []
    found = sorted((json.loads(call["Payload"]) for call in calls), key=json.dumps)
    assert found == sorted(events, key=json.dumps)
    assert {(call["Qualifier"], call["InvocationType"]) for call in calls} == {("live", "Event")}


def test_an_event_that_lambda_does_not_take_stays_in_the_dead_letter_queue(deployed: Deployed) -> None:
    deployed.send(failed_event({"a": 1}), "no record")
    asynchronous(deployed)
    with Refusing(deployed.account, "POST .*/invocations", FORBIDDEN, times=1) as address:
        report = redrive(deployed.at(address), "embedding")
    assert not report.ok
    assert sorted(why[:21] for why in report.data["failed"].values()) == [  # type: ignore[attr-defined]
        "An error occurred (Ac",
        "it is not a record of",
    ]
    assert len(deployed.bodies(dead=True)) == 2


@pytest.mark.parametrize("context", [None, "text", ["a"], {}, {"requestId": None}], ids=repr)
def test_a_record_that_somebody_wrote_by_hand_is_given_to_the_function(deployed: Deployed, context: object) -> None:
    deployed.send("[" * 10_000, json.dumps({"requestPayload": {"a": 1}, "requestContext": context}))
    asynchronous(deployed)
    report = redrive(deployed.stack, "embedding")
    assert (report.data["moved"], list(report.data["failed"].values())) == (  # type: ignore[attr-defined]
        1,
        ["it is not a record of a failed event (no requestPayload)"],
    )


def test_an_event_that_fails_again_is_not_invoked_again(deployed: Deployed) -> None:
    """It comes back as another message, with the id of the invocation that redrive made."""
    deployed.send(failed_event({"poison": True}))
    asynchronous(deployed)
    client = deployed.stack.client("lambda")
    client.meta.events.register(
        "after-call.lambda.Invoke",
        lambda parsed, **_: deployed.send(failed_event({"poison": True}, parsed["ResponseMetadata"]["RequestId"])),
    )
    report = redrive(with_clients(deployed, **{"lambda": client}), "embedding")
    assert (report.data["moved"], report.data["came_back"]) == (1, 1)
    assert len(deployed.bodies(dead=True)) == 1


def test_a_dry_run_says_why_each_message_failed_from_the_functions_log(deployed: Deployed) -> None:
    deployed.send("first", "second", "third")
    received = [
        message
        for _ in range(3)
        for message in deployed.client("sqs").receive_message(
            QueueUrl=deployed.function["dlq_url"], VisibilityTimeout=5
        )["Messages"]
    ]
    ids = {message["Body"]: message["MessageId"] for message in received}
    for message in received:
        deployed.client("sqs").change_message_visibility(
            QueueUrl=deployed.function["dlq_url"], ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    logged = [
        {"message": "message failed", "message_id": ids["first"], "reason": "rejected", "detail": "an older one"},
        {"message": "message failed", "message_id": ids["first"], "reason": "rejected", "detail": "no text"},
        {"message": "message failed", "message_id": ids["second"], "reason": "KeyError('text')"},
        {"message": "message done", "message_id": ids["third"], "reason": "none"},
    ]
    logs, group = deployed.client("logs"), deployed.function["log_group"]
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + place, "message": json.dumps(record)} for place, record in enumerate(logged)]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    report = redrive(deployed.stack, "embedding", dry_run=True)
    reasons = {one["begins"]: one["reason"] for one in report.data["messages"]}  # type: ignore[attr-defined]
    assert reasons == {"first": "rejected: no text", "second": "KeyError('text')", "third": ""}
    assert report.notes[1].startswith("for 1 of them")
    deployed.function["log_group"] = "gone"
    without = redrive(deployed.stack, "embedding", dry_run=True)
    assert without.ok
    assert "could not be read from gone" in without.notes[1]


def test_a_dry_run_shows_the_events_themselves(deployed: Deployed) -> None:
    deployed.send(failed_event({"key": "a.pdf"}))
    asynchronous(deployed)
    client = deployed.stack.client("lambda")
    calls = heard(client)
    report = redrive(with_clients(deployed, **{"lambda": client}), "embedding", dry_run=True)
    [message] = report.data["messages"]  # type: ignore[misc]
    assert message["begins"] == '{"key": "a.pdf"}'
    assert message["reason"] == "ValueError: no such thing (RetriesExhausted)"
    assert not calls
    assert len(deployed.bodies(dead=True)) == 1


def test_a_rate_for_events_is_refused(deployed: Deployed) -> None:
    asynchronous(deployed)
    with pytest.raises(UsageError, match="--rate"):
        redrive(deployed.stack, "embedding", per_second=5)


def with_clients(deployed: Deployed, **clients: Any) -> Any:
    """The same stack with these clients, by service."""
    return _Fixed(deployed, clients)


class _Fixed:
    def __init__(self, deployed: Deployed, clients: dict[str, Any]) -> None:
        self._deployed, self._clients = deployed, clients

    def client(self, service: Any) -> Any:
        return self._clients.get(service) or self._deployed.stack.client(service)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._deployed.stack, name)
