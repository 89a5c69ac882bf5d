"""Policies are data: what may be written in one, and what each function returns."""

from __future__ import annotations

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


def test_a_function_may_write_to_its_log_group_and_not_make_one() -> None:
    statement = policies.write_logs("arn:aws:logs:eu-central-1:123456789012:log-group:worker:*").render()
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert statement["Resource"] == ["arn:aws:logs:eu-central-1:123456789012:log-group:worker:*"]


def test_decrypting_goes_through_the_service_that_holds_the_secret() -> None:
    statement = policies.decrypt("arn:key", "Secrets", "secretsmanager.eu-central-1.amazonaws.com").render()
    assert statement == {
        "Sid": "DecryptSecrets",
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": ["arn:key"],
        "Condition": {"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}},
    }


def test_only_lambda_may_take_an_execution_role() -> None:
    (statement,) = policies.trust_lambda()["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == "sts:AssumeRole"


def test_a_topic_takes_events_of_named_buckets_of_one_account() -> None:
    document = policies.accept_bucket_events("arn:topic", ["arn:aws:s3:::one"], "123456789012")
    (statement,) = document["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Action"] == "sns:Publish"
    assert statement["Resource"] == "arn:topic"
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": ["arn:aws:s3:::one"]},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_the_tls_policy_denies_and_grants_nothing() -> None:
    (statement,) = policies.tls_only("arn:bucket", "arn:bucket/*")["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
