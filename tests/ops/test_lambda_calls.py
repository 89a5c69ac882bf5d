"""smoke and invoke, against functions that really run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ops.errors import OpsError, UsageError
from ops.lambda_calls import invoke, parse, read_event, smoke
from ops.send import send
from tests.ops.refusing import THROTTLED, Refusing

if TYPE_CHECKING:
    from tests.ops.conftest import Deployed


def test_smoke_shows_what_each_function_answers_and_which_version_answered(deployed: Deployed) -> None:
    report = smoke(deployed.stack)
    assert report.ok
    answer = report.data["functions"]["embedding"]  # type: ignore[index]
    assert answer["version"] == "1"
    assert answer["answer"] == {"ok": True, "versions": {"code": "CODE"}, "problems": ["openai: ImportError"]}
    assert report.tables[0].rows[0][4] == "code CODE"


def test_smoke_goes_through_the_alias_not_to_the_newest_code(deployed: Deployed) -> None:
    deployed.publish("two")
    assert smoke(deployed.stack).data["functions"]["embedding"]["answer"]["versions"]["code"] == "CODE"  # type: ignore[index]


def test_smoke_fails_when_a_function_raises(deployed: Deployed) -> None:
    broken = deployed.client("lambda")
    broken.update_function_configuration(FunctionName=deployed.function["name"], Handler="code_.missing")
    version = broken.publish_version(FunctionName=deployed.function["name"])["Version"]
    broken.update_alias(FunctionName=deployed.function["name"], Name="live", FunctionVersion=version)
    report = smoke(deployed.stack)
    assert not report.ok
    assert "missing" in report.data["functions"]["embedding"]["error"]  # type: ignore[index]
    assert report.tables[0].rows[0][0] == "fail"


def test_smoke_fails_when_a_function_says_that_it_is_not_well(deployed: Deployed) -> None:
    client = deployed.client("lambda")
    client.update_function_configuration(
        FunctionName=deployed.function["name"], Environment={"Variables": {"WELL": "no"}}
    )
    version = client.publish_version(FunctionName=deployed.function["name"])["Version"]
    client.update_alias(FunctionName=deployed.function["name"], Name="live", FunctionVersion=version)
    report = smoke(deployed.stack)
    assert not report.ok
    assert report.tables[0].rows[0][4] == "reports a problem: openai: ImportError"


def test_smoke_fails_when_the_function_is_gone_and_still_tries_the_others(deployed: Deployed) -> None:
    gone = {**deployed.function, "name": "gone"}
    deployed.outputs["functions"]["extract-text"] = gone
    report = smoke(deployed.stack)
    found = report.data["functions"]
    assert found["embedding"]["ok"] is True  # type: ignore[index]
    assert "ResourceNotFound" in found["extract-text"]["error"]  # type: ignore[index]


def test_a_version_that_does_not_exist_fails_although_something_answers(deployed: Deployed) -> None:
    """`live_version: 99` previewed green, and the emulator runs the newest code under that number."""
    client, name = deployed.client("lambda"), deployed.function["name"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="99")
    report = smoke(deployed.stack)
    assert not report.ok
    assert "leads to version 99, which does not exist" in report.tables[0].rows[0][4]


def test_invoke_gives_the_answer_back(deployed: Deployed) -> None:
    report = invoke(deployed.stack, "embedding", {"text": "grüße"}, asynchronous=False, logs=True)
    assert report.ok
    assert report.data["payload"] == {"echo": {"text": "grüße"}}
    assert isinstance(report.data["logs"], str)


def test_invoke_of_a_function_that_raises_is_a_failure_in_its_own_words(deployed: Deployed) -> None:
    report = invoke(deployed.stack, "embedding", {"raise": True}, asynchronous=False, logs=False)
    assert not report.ok
    assert str(report.data["error"]).startswith("Unhandled: ")
    assert str(report.data["error"]).endswith("Error: no such thing")


def test_invoke_async_does_not_wait(deployed: Deployed) -> None:
    report = invoke(deployed.stack, "embedding", {"text": "x"}, asynchronous=True, logs=False)
    assert report.ok
    assert report.data["status"] == 202


def test_send_puts_the_message_into_the_functions_queue(deployed: Deployed) -> None:
    assert send(deployed.stack, "embedding", '{"text": "grüße"}').ok
    assert deployed.bodies(dead=False) == ['{"text": "grüße"}']


@pytest.mark.parametrize("body", ["", " \n", "x" * 1_048_577])
def test_a_message_that_sqs_would_not_take_is_refused(deployed: Deployed, body: str) -> None:
    with pytest.raises(UsageError):
        send(deployed.stack, "embedding", body)


def test_a_function_without_a_queue_is_sent_nothing(deployed: Deployed) -> None:
    deployed.function["queue_url"] = None
    with pytest.raises(UsageError, match="ops invoke"):
        send(deployed.stack, "embedding", "text")


def test_an_event_over_lambdas_limit_is_refused_before_it_is_sent(deployed: Deployed) -> None:
    with pytest.raises(UsageError, match="6,291,456"):
        invoke(deployed.stack, "embedding", {"text": "x" * 6_300_000}, asynchronous=False, logs=False)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"text"', "true", "", "{", "{'a': 1}", '{"a": NaN}', "[" * 99_999])
def test_an_event_that_is_not_an_object_is_refused_before_the_function_meets_it(text: str) -> None:
    """`--event '[]'` was an AttributeError in the function."""
    with pytest.raises(UsageError, match=r"takes? a JSON object|not JSON") as refused:
        read_event(text)
    assert len(str(refused.value)) < 200


def test_an_asynchronous_event_has_a_limit_of_its_own(deployed: Deployed) -> None:
    with pytest.raises(UsageError, match="1,048,576"):
        invoke(deployed.stack, "embedding", {"text": "x" * 1_048_576}, asynchronous=True, logs=False)


def test_an_unknown_function_is_refused_with_the_known_ones(deployed: Deployed) -> None:
    with pytest.raises(OpsError, match="no function 'embeding'; it has: embedding"):
        invoke(deployed.stack, "embeding", {}, asynchronous=False, logs=False)


def test_a_call_is_made_once(deployed: Deployed) -> None:
    """A function that takes long must not run several times."""
    throttled = Refusing(deployed.account, "POST .*/invocations", THROTTLED, times=9)
    with throttled as address:
        report = invoke(deployed.at(address), "embedding", {}, asynchronous=False, logs=False)
    assert "TooManyRequests" in str(report.data["error"])
    assert throttled.seen == 1


def test_an_answer_that_is_no_json_is_its_text() -> None:
    assert parse(b"") is None
    assert parse(b'{"ok": true}') == {"ok": True}
    for text in ("<html>", "[" * 100_000):
        assert parse(text.encode()) == text
