"""Keys by reference, against Secrets Manager and Parameter Store of the local AWS: read, cached, renewed, missing."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.shared.secret import Secret, SecretError
from tests.lambdas.conftest import reasons
from tests.lambdas.embedding.conftest import OPENAI_KEY, PINECONE_KEY, Function

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.account import Account

NEW_KEY = "sk-test-rotated-0123456789abcdef"


@pytest.fixture
def aws(account: Account, monkeypatch: pytest.MonkeyPatch) -> Account:
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    return account


def make_secret(aws: Account, value: str | None) -> str:
    arguments: dict[str, Any] = {} if value is None else {"SecretString": value}
    return aws.client("secretsmanager").create_secret(Name=f"test-{uuid.uuid4()}", **arguments)["ARN"]


def put_secret(aws: Account, arn: str, value: str) -> None:
    aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=value)


@pytest.fixture
def keys(aws: Account) -> dict[str, str]:
    """ARNs of both keys, with the values that the services accept."""
    return {
        "OPENAI_API_KEY_SECRET_ARN": make_secret(aws, OPENAI_KEY),
        "PINECONE_API_KEY_SECRET_ARN": make_secret(aws, PINECONE_KEY),
    }


def from_aws(make_function: Callable[..., Function], **variables: str) -> Function:
    """The function in Lambda: plain keys count for nothing."""
    return make_function(
        AWS_LAMBDA_FUNCTION_NAME="strata-test-embedding",
        OPENAI_API_KEY="sk-plain-is-ignored-in-lambda",
        PINECONE_API_KEY="pc-plain-is-ignored-in-lambda",
        **variables,
    )


def test_keys_come_from_secrets_manager(make_function: Callable[..., Function], keys: dict[str, str]) -> None:
    assert from_aws(make_function, **keys).send("text") == []


def test_keys_come_from_parameter_store(make_function: Callable[..., Function], aws: Account) -> None:
    names = {name: f"/strata/{uuid.uuid4()}" for name in ("OPENAI_API_KEY", "PINECONE_API_KEY")}
    for name, value in (("OPENAI_API_KEY", OPENAI_KEY), ("PINECONE_API_KEY", PINECONE_KEY)):
        aws.client("ssm").put_parameter(Name=names[name], Value=value, Type="SecureString")
    function = from_aws(make_function, **{f"{name}_PARAMETER": parameter for name, parameter in names.items()})
    assert function.send("text") == []


def test_a_key_is_read_once_and_cached(
    make_function: Callable[..., Function], keys: dict[str, str], aws: Account
) -> None:
    function = from_aws(make_function, **keys)
    assert function.send("one") == []
    put_secret(aws, keys["OPENAI_API_KEY_SECRET_ARN"], "sk-nobody-knows-this-one")
    assert function.send("two") == []


def test_a_rotated_openai_key_is_taken_up_within_the_batch_that_finds_out(
    make_function: Callable[..., Function], keys: dict[str, str], aws: Account
) -> None:
    function = from_aws(make_function, **keys)
    assert function.send("before") == []
    put_secret(aws, keys["OPENAI_API_KEY_SECRET_ARN"], NEW_KEY)
    function.openai.keys.rotate(NEW_KEY)
    assert function.send("after") == []
    assert function.embeddings() == [200, 401, 200]


def test_a_rotated_pinecone_key_is_taken_up_within_the_batch_that_finds_out(
    make_function: Callable[..., Function], keys: dict[str, str], aws: Account
) -> None:
    function = from_aws(make_function, **keys)
    assert function.send("before") == []
    put_secret(aws, keys["PINECONE_API_KEY_SECRET_ARN"], NEW_KEY)
    function.index.keys.rotate(NEW_KEY)
    assert function.send("after") == []
    assert [entry.status for entry in function.index.log.entries()].count(401) == 1


def test_a_key_refused_before_the_new_one_is_stored_fails_all_and_is_not_kept(
    make_function: Callable[..., Function], keys: dict[str, str], aws: Account, caplog: pytest.LogCaptureFixture
) -> None:
    function = from_aws(make_function, **keys)
    assert function.send("before") == []
    function.openai.keys.rotate(NEW_KEY)
    assert function.send("one", "two") == [0, 1]
    assert {reason for reason, _ in reasons(caplog)} == {"key refused"}
    put_secret(aws, keys["OPENAI_API_KEY_SECRET_ARN"], NEW_KEY)
    assert function.send("one", "two") == []
    assert OPENAI_KEY not in caplog.text
    assert NEW_KEY not in caplog.text


@pytest.mark.parametrize(
    "value",
    [
        f'{{"OPENAI_API_KEY":"{OPENAI_KEY}"}}',
        f'{{"key": "{OPENAI_KEY}"}}',
        f'{{"OPENAI_API_KEY": "{OPENAI_KEY}", "organization": "org-x"}}\n',
    ],
)
def test_a_key_as_the_console_stores_it_is_read(
    make_function: Callable[..., Function], keys: dict[str, str], aws: Account, value: str
) -> None:
    keys["OPENAI_API_KEY_SECRET_ARN"] = make_secret(aws, value)
    assert from_aws(make_function, **keys).send("text") == []


def test_a_key_in_a_form_that_is_none_is_nobodys_401(
    make_function: Callable[..., Function], keys: dict[str, str], aws: Account, caplog: pytest.LogCaptureFixture
) -> None:
    keys["OPENAI_API_KEY_SECRET_ARN"] = make_secret(aws, f'"{OPENAI_KEY}"')
    function = from_aws(make_function, **keys)
    assert function.send("text") == [0]
    assert function.embeddings() == []
    ((reason, detail),) = reasons(caplog)
    assert reason == "secret"
    assert detail.startswith("OPENAI_API_KEY begins or ends with a quotation mark")
    assert "ops secret set" in detail
    assert OPENAI_KEY not in caplog.text


@pytest.mark.parametrize("value", [None, " \n"])
def test_an_empty_secret_names_the_command_that_fills_it(
    make_function: Callable[..., Function],
    keys: dict[str, str],
    aws: Account,
    caplog: pytest.LogCaptureFixture,
    value: str | None,
) -> None:
    keys["OPENAI_API_KEY_SECRET_ARN"] = make_secret(aws, value)
    function = from_aws(make_function, **keys)
    assert function.send("one", "two") == [0, 1]
    command = "`python -m ops secret set --stack test embedding OPENAI_API_KEY`"
    assert (
        reasons(caplog) == [("secret", f"OPENAI_API_KEY is empty: run {command}, which reads the value from stdin")] * 2
    )
    put_secret(aws, keys["OPENAI_API_KEY_SECRET_ARN"], f"{OPENAI_KEY}\n")
    assert function.send("one", "two") == []


def test_a_parameter_that_does_not_exist_names_the_command_too(
    make_function: Callable[..., Function], keys: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    arn = keys["PINECONE_API_KEY_SECRET_ARN"]
    function = from_aws(make_function, OPENAI_API_KEY_PARAMETER="/none/there", PINECONE_API_KEY_SECRET_ARN=arn)
    assert function.send("text") == [0]
    assert "embedding OPENAI_API_KEY`" in reasons(caplog)[0][1]


def test_an_aws_that_does_not_answer_fails_the_batch_in_time(
    make_function: Callable[..., Function],
    keys: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    function = from_aws(make_function, **keys)
    assert function.send("text") == [0]
    assert reasons(caplog)[0][0] == "secret"
    assert "PINECONE_API_KEY could not be read from arn:" in reasons(caplog)[0][1]


def test_a_plain_key_counts_outside_lambda_only() -> None:
    assert Secret("X", {"X": "plain"}, function="f").value() == "plain"
    with pytest.raises(SecretError, match="neither X_SECRET_ARN nor X_PARAMETER is set"):
        Secret("X", {"X": "plain", "AWS_LAMBDA_FUNCTION_NAME": "f"}, function="f")


def test_two_references_are_one_too_many() -> None:
    with pytest.raises(SecretError, match="both set"):
        Secret("X", {"X_SECRET_ARN": "arn", "X_PARAMETER": "/p"}, function="f")


def test_a_value_that_cannot_be_a_header_is_refused_without_showing_it() -> None:
    with pytest.raises(SecretError, match="cannot be sent as a key") as caught:
        Secret("X", {"X": "ünspeakable value"}, function="f").value()
    assert "speakable" not in str(caught.value)


def test_an_environment_without_a_region_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(SecretError, match="X could not be read from arn: You must specify a region"):
        Secret("X", {"X_SECRET_ARN": "arn"}, function="f").prepare()
