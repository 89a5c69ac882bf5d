"""Policies are data: what may be written in one, and what each function returns."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from components import policies


@pytest.mark.parametrize("action", ["*", "s3:*", "s3:Get*", "sqs:*Message"])
def test_an_action_with_a_star_cannot_be_written(action: str) -> None:
    with pytest.raises(ValueError, match="name each action"):
        policies.Statement(sid="Wide", actions=(action,), resources=("arn:aws:s3:::bucket",))


def test_a_statement_names_at_least_one_action() -> None:
    with pytest.raises(ValueError, match="none is not one"):
        policies.Statement(sid="Empty", actions=(), resources=("arn:aws:s3:::bucket",))


def test_every_resource_needs_its_reason_in_words() -> None:
    with pytest.raises(ValueError, match="written reason"):
        policies.Statement(sid="Wide", actions=("s3:GetObject",), resources=("*",))
    reasoned = policies.Statement(sid="Wide", actions=("xray:PutTraceSegments",), resources=("*",), reason="no types")
    assert reasoned.render()["Resource"] == ["*"]
    assert "no types" not in str(reasoned.render())


def test_only_lambda_may_take_an_execution_role() -> None:
    (statement,) = policies.trust_lambda()["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"


def test_a_topic_takes_events_of_named_buckets_of_one_account() -> None:
    document = policies.accept_bucket_events("sns:Publish", "arn:topic", ["arn:aws:s3:::one"], "123456789012")
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "sns:Publish"
    assert statement["Resource"] == "arn:topic"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": ["arn:aws:s3:::one"]},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_no_arn_is_written_for_one_partition() -> None:
    """IAM refuses `arn:aws:` in China, in GovCloud and in the European sovereign cloud: the account says what it is."""
    written = [
        f"{file.name}:{node.lineno}"
        for file in sorted(Path(policies.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and str(node.value).startswith("arn:aws:")
    ]
    assert not written
