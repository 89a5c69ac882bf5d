"""secret set: from stdin, to where the function looks, and nowhere else."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from ops import secret
from ops.cli import main
from ops.errors import OpsError, UsageError
from ops.report import to_json

if TYPE_CHECKING:
    from tests.ops.conftest import Deployed

CANARY = "sk-canary-7f3a"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_line_ending_of_echo_is_not_part_of_the_value(ending: str) -> None:
    assert secret.read_value(io.StringIO(CANARY + ending)) == CANARY


@pytest.mark.parametrize("value", ["", "\n", "  \n", "\t"])
def test_an_empty_value_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        secret.read_value(io.StringIO(value))


@pytest.mark.parametrize("value", [f" {CANARY}", f"{CANARY} \n", f"{CANARY}\n\n"])
def test_white_space_around_a_value_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(UsageError, match="white space") as raised:
        secret.read_value(io.StringIO(value))
    assert CANARY not in str(raised.value)
    assert secret.read_value(io.StringIO(value), keep_whitespace=True) == value.removesuffix("\n")


# `surrogateescape` is how stdin is read in the locales C and POSIX.
@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_bytes_that_are_no_text_are_refused_without_showing_them(errors: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(CANARY.encode() + b"\xff"), encoding="utf-8", errors=errors)
    with pytest.raises(UsageError, match="UTF-8") as raised:
        secret.read_value(stream)
    assert CANARY not in repr(raised.value)
    assert raised.value.__suppress_context__


def test_a_secret_is_stored_as_its_newest_version_and_the_one_before_is_kept(deployed: Deployed) -> None:
    reference = deployed.function["secrets"]["OPENAI_API_KEY"]
    secret.set_secret(deployed.stack, "embedding", "OPENAI_API_KEY", "first")
    report = secret.set_secret(deployed.stack, "embedding", "OPENAI_API_KEY", CANARY)
    manager = deployed.client("secretsmanager")
    assert manager.get_secret_value(SecretId=reference)["SecretString"] == CANARY
    assert manager.get_secret_value(SecretId=reference, VersionStage="AWSPREVIOUS")["SecretString"] == "first"
    assert CANARY not in to_json(report)
    assert not any(CANARY in note for note in report.notes)


@pytest.mark.parametrize("value", [f'"{CANARY}"', f"OPENAI_API_KEY={CANARY}", f'{{"a": "{CANARY}", "b": ""}}'])
def test_a_key_in_a_form_that_no_function_reads_is_refused_without_showing_it(deployed: Deployed, value: str) -> None:
    with pytest.raises(UsageError, match="it was not stored") as raised:
        secret.set_secret(deployed.stack, "embedding", "OPENAI_API_KEY", value)
    assert CANARY not in repr(raised.value)


def test_a_parameter_is_stored_as_a_secure_string(deployed: Deployed) -> None:
    name = deployed.function["secrets"]["PINECONE_API_KEY"]
    report = secret.set_secret(deployed.stack, "embedding", "PINECONE_API_KEY", CANARY)
    found = deployed.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (found["Value"], found["Type"]) == (CANARY, "SecureString")
    assert report.data["service"] == "Parameter Store"
    secret.set_secret(deployed.stack, "embedding", "PINECONE_API_KEY", "second")
    assert deployed.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"] == "second"


def test_a_plain_parameter_is_not_given_a_secret(deployed: Deployed) -> None:
    name = deployed.function["secrets"]["PINECONE_API_KEY"]
    deployed.client("ssm").put_parameter(Name=name, Value="x", Type="String")
    with pytest.raises(OpsError, match="is a String"):
        secret.set_secret(deployed.stack, "embedding", "PINECONE_API_KEY", CANARY)
    assert deployed.client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "x"


def test_the_report_says_which_functions_read_the_same_secret(deployed: Deployed) -> None:
    deployed.outputs["functions"]["other"] = deployed.function
    report = secret.set_secret(deployed.stack, "embedding", "OPENAI_API_KEY", CANARY)
    assert report.data["read_by"] == ["embedding.OPENAI_API_KEY", "other.OPENAI_API_KEY"]


def test_a_refusal_names_the_code_and_not_the_value(deployed: Deployed) -> None:
    deployed.function["secrets"]["OPENAI_API_KEY"] += "gone"
    with pytest.raises(OpsError, match="ResourceNotFoundException; the value was not stored") as raised:
        secret.set_secret(deployed.stack, "embedding", "OPENAI_API_KEY", CANARY)
    assert CANARY not in str(raised.value)
    assert raised.value.__suppress_context__


def test_an_unknown_secret_is_refused_with_the_known_ones(deployed: Deployed) -> None:
    with pytest.raises(UsageError, match="it reads: OPENAI_API_KEY, PINECONE_API_KEY"):
        secret.set_secret(deployed.stack, "embedding", "OPENAI_KEY", CANARY)


def test_a_stack_in_another_account_is_refused(deployed: Deployed) -> None:
    for key in ("arn", "alias_arn"):
        deployed.function[key] = deployed.function[key].replace(deployed.account.account, "999999999999")
    with pytest.raises(OpsError, match="stack test runs in 999999999999"):
        secret.set_secret(deployed.stack, "embedding", "OPENAI_API_KEY", CANARY)


def test_list_tells_empty_secrets_from_filled_ones_without_reading_them(deployed: Deployed) -> None:
    secret.set_secret(deployed.stack, "embedding", "PINECONE_API_KEY", CANARY)
    report = secret.list_secrets(deployed.stack)
    states: list[dict[str, Any]] = report.data["secrets"]  # type: ignore[assignment]
    assert {one["secret"]: one["set"] for one in states} == {"OPENAI_API_KEY": False, "PINECONE_API_KEY": True}
    assert not report.ok
    assert report.notes == [
        "OPENAI_API_KEY has no value: `python -m ops secret set --stack test embedding OPENAI_API_KEY`"
    ]


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("arn:aws:secretsmanager:eu-central-1:123456789012:secret:a", "Secrets Manager"),
        ("/proofmark/supabase/config", "Parameter Store"),
    ],
)
def test_the_reference_decides_the_service(reference: str, expected: str) -> None:
    assert secret.place(reference) == (expected, reference)


def test_a_parameters_arn_becomes_its_name() -> None:
    arn = "arn:aws:ssm:eu-central-1:123456789012:parameter"
    assert secret.place(f"{arn}/a/b")[1] == "/a/b"
    assert secret.place(f"{arn}/a")[1] == "a"


def test_the_value_cannot_be_given_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["secret", "set", "--stack", "test", "embedding", "OPENAI_API_KEY", CANARY])
    assert raised.value.code == 2
    assert json.dumps(CANARY) not in capsys.readouterr().out
