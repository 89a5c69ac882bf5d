"""AssumedRole: who may take it, and what it may do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from components import bedrock
from components.account import current_account
from components.assumed_role import AssumedRole, AssumedRoleArgs
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build

MODELS = "foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0"


def role() -> AssumedRole:
    account = current_account()
    statements = bedrock.call_model("anthropic.claude-sonnet-4-5-20250929-v1:0", account)
    return AssumedRole("worker-model", AssumedRoleArgs(function="worker", statements=statements, account=account))


def test_only_the_functions_own_role_may_take_it(build: Build) -> None:
    def both() -> None:
        parts.function()
        role()

    program = build(both)
    assert program.children(program.one("AssumedRole")) == {"worker-model-role", "worker-model-policy"}
    (statement,) = json.loads(program.one("Role", "worker-model-role").inputs["assumeRolePolicy"])["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    (pattern,) = statement["Condition"]["ArnLike"].values()
    taker = program.one("Function").inputs["role"]
    assert re.fullmatch(pattern.replace("*", ".*"), taker)
    for other in ("worker-model-role", "another-role", "worker-two-role"):
        assert not re.fullmatch(pattern.replace("*", ".*"), taker.replace("worker-role", other)), other


def test_it_may_call_the_one_model(build: Build) -> None:
    (statement,) = json.loads(build(role).one("RolePolicy").inputs["policy"])["Statement"]
    assert statement["Resource"] == [f"arn:aws:bedrock:{REGION}::{MODELS}"]
    assert statement["Action"] == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]


@pytest.mark.parametrize(
    ("profile", "elsewhere"),
    [("eu.", [f"arn:aws:bedrock:*::{MODELS}"]), ("global.", [f"arn:aws:bedrock:{r}::{MODELS}" for r in ("*", "")])],
)
def test_a_profile_reaches_its_model_in_other_regions_and_only_by_the_profile(
    build: Build, profile: str, elsewhere: list[str]
) -> None:
    name = f"{profile}anthropic.claude-sonnet-4-5-20250929-v1:0"

    def made() -> None:
        account = current_account()
        statements = bedrock.call_model(name, account)
        AssumedRole("m", AssumedRoleArgs(function="worker", statements=statements, account=account))

    by_profile, by_model = json.loads(build(made).one("RolePolicy").inputs["policy"])["Statement"]
    arn = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:inference-profile/{name}"
    assert by_profile["Resource"] == [arn]
    assert by_model["Resource"] == elsewhere
    assert by_model["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": arn}}


def test_a_role_that_may_do_nothing_registers_nothing(build: Build) -> None:
    def made() -> None:
        with pytest.raises(ValueError, match="of no use"):
            AssumedRoleArgs(function="worker", statements=[], account=current_account())

    assert not build(made).all("Role")


def test_a_model_id_is_one_of_bedrocks() -> None:
    assert bedrock.MODEL.fullmatch("eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert bedrock.MODEL.fullmatch("amazon.nova-pro-v1:0")
    for wrong in ("gpt-4.1-mini/../*", "*", "amazon.*", "", "Amazon.Nova"):
        assert not bedrock.MODEL.fullmatch(wrong), wrong
