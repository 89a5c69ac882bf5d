"""Secrets: references and the right to read them, never a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pulumi import Output, ResourceOptions

from components.account import Account, current_account
from components.function_settings import SecretReference
from components.policies import document
from components.secret import FunctionSecret, function_secret, references, secret_statements, variables_of
from components.stack_sections import SecretSettings
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build

GIVEN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:team/openai-AbCdEf"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"


def made(given: SecretReference | None, **settings: Any) -> FunctionSecret:
    owner = parts.Owner()
    opts = ResourceOptions(parent=owner)
    return function_secret("worker", "OPENAI_API_KEY", given, SecretSettings(**settings), opts)


def statements(build: Build, secrets: list[FunctionSecret], key: str | None) -> list[dict[str, Any]]:
    found: list[str] = []

    def body() -> None:
        rendered = Output.json_dumps(document(secret_statements(secrets, key, current_account())))
        rendered.apply(found.append)

    build(body)
    return json.loads(found[0])["Statement"]


def test_a_new_secret_is_empty_and_says_who_fills_it(build: Build) -> None:
    program = build(lambda: made(None))
    secret = program.one("Secret")
    assert secret.name == "worker-openai-api-key"
    assert secret.inputs == {
        "description": "OPENAI_API_KEY of worker. Empty until `python -m ops secret set` fills it.",
        "recoveryWindowInDays": 30,
    }
    assert not program.all("SecretVersion")
    assert program.children(program.one("tests:index:Owner")) == {"worker-openai-api-key"}


def test_a_new_secret_takes_the_stack_s_key_and_recovery_window(build: Build) -> None:
    inputs = build(lambda: made(None, kms_key_arn=KEY, recovery_window_days=0)).one("Secret").inputs
    assert (inputs["kmsKeyId"], inputs["recoveryWindowInDays"]) == (KEY, 0)


def test_a_given_secret_makes_none(build: Build) -> None:
    for given in (SecretReference(secret_arn=GIVEN), SecretReference(parameter="/team/openai")):
        assert not build(lambda given=given: made(given)).all("Secret")


def test_a_function_sees_where_the_secret_is() -> None:
    by_arn = FunctionSecret(variable="OPENAI_API_KEY", secret_arn=GIVEN)
    by_name = FunctionSecret(variable="PINECONE_API_KEY", parameter="/team/pinecone")
    assert variables_of([by_arn, by_name]) == {
        "OPENAI_API_KEY_SECRET_ARN": GIVEN,
        "PINECONE_API_KEY_PARAMETER": "/team/pinecone",
    }
    assert (by_arn.reference, by_name.reference) == (GIVEN, "/team/pinecone")
    assert set(references([by_arn, by_name])) == {"OPENAI_API_KEY", "PINECONE_API_KEY"}


def test_a_secret_without_a_reference_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="neither"):
        _ = FunctionSecret(variable="OPENAI_API_KEY").reference


def test_the_role_may_read_exactly_these_secrets(build: Build) -> None:
    secrets = [
        FunctionSecret(variable="A", secret_arn=GIVEN),
        FunctionSecret(variable="B", parameter="/team/pinecone"),
        FunctionSecret(variable="C", parameter="plain-name"),
    ]
    assert statements(build, secrets, None) == [
        {"Sid": "ReadSecrets", "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [GIVEN]},
        {
            "Sid": "ReadParameters",
            "Effect": "Allow",
            "Action": ["ssm:GetParameter"],
            "Resource": [
                f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/team/pinecone",
                f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/plain-name",
            ],
        },
    ]


def test_a_customer_key_may_be_used_through_the_services_that_hold_secrets(build: Build) -> None:
    secrets = [FunctionSecret(variable="A", secret_arn=GIVEN), FunctionSecret(variable="B", parameter="/b")]
    found = {statement["Sid"]: statement for statement in statements(build, secrets, KEY)}
    for sid, service in (("DecryptSecrets", "secretsmanager"), ("DecryptParameters", "ssm")):
        assert found[sid]["Resource"] == [KEY]
        assert found[sid]["Condition"] == {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}


def test_a_role_without_secrets_gets_nothing(build: Build) -> None:
    assert statements(build, [], KEY) == []


def test_the_account_is_the_provider_s(build: Build) -> None:
    found: list[tuple[str, str, str]] = []

    def body() -> None:
        account: Account = current_account()
        Output.all(account.account_id, account.region, account.partition).apply(lambda all_: found.append(tuple(all_)))

    program = build(body)
    assert found == [(ACCOUNT, REGION, "aws")]
    assert sorted(program.calls) == ["aws:index/getCallerIdentity:getCallerIdentity", "aws:index/getRegion:getRegion"]
