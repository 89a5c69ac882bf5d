"""How the engine tests hold two deployments against each other: what is a difference between them, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.account import Account
from tests.engine.inventory import alike, differences

ACCOUNT = Account("http://127.0.0.1:4566")
PROJECT, STACK = {"Key": "project", "Value": "strata"}, {"Key": "stack", "Value": "first"}


def _made(value: Any) -> Any:
    return alike({"iam/role/strata-first-embedding-role-0a1b2c": value}, ACCOUNT)


def test_tags_and_dimensions_sent_in_another_order_are_no_difference() -> None:
    assert differences(_made({"Tags": [PROJECT, STACK]}), _made({"Tags": [STACK, PROJECT]})) == {}
    one, two = {"Name": "FunctionName", "Value": "f"}, {"Name": "Resource", "Value": "f:live"}
    assert differences(_made({"Dimensions": [one, two]}), _made({"Dimensions": [two, one]})) == {}


@pytest.mark.parametrize("other", [[PROJECT], [PROJECT, {"Key": "stack", "Value": "second"}], []])
def test_a_missing_or_another_tag_is_a_difference(other: list[dict[str, str]]) -> None:
    assert differences(_made({"Tags": [PROJECT, STACK]}), _made({"Tags": other}))


def test_layers_in_another_order_are_a_difference() -> None:
    assert differences(_made({"Layers": ["one", "two"]}), _made({"Layers": ["two", "one"]}))


@pytest.mark.parametrize("suffix", ["Zq3xPw", "0a1b2c", "secret"])
def test_a_secrets_random_end_is_left_out_and_its_name_is_not(suffix: str) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:strata-first-openai-api-key"
    assert differences(_made({"Resource": [f"{arn}-{suffix}"]}), _made({"Resource": [f"{arn}-aB9xY1"]})) == {}
    renamed = arn.replace("openai", "google")
    assert differences(_made({"Resource": [f"{arn}-{suffix}"]}), _made({"Resource": [f"{renamed}-{suffix}"]}))
