"""Every right that is granted or asked for: it exists, AWS lets it be limited so, and it is what is needed."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from components import assumed_role, bedrock, policies
from tests.harness import Build
from tests.ops.bootstrap_template import DEPLOYING, actions, as_text, statements
from tests.ops.deploy_doc import DOCUMENT
from tests.ops.iam_reference import could_be_limited, listed, problems, resource_arns
from tests.program.conftest import ROOT, STACKS, Runner

if TYPE_CHECKING:
    from collections.abc import Iterator

ARN = "arn:aws:{}:eu-central-1:123456789012:{}"
SAMPLES = {
    "log_streams_arn": ARN.format("logs", "log-group:g:*"),
    "secret_arns": [ARN.format("secretsmanager", "secret:s-AbCdEf")],
    "parameter_arns": [ARN.format("ssm", "parameter/p")],
    "key_arn": ARN.format("kms", "key/k"),
    "service": "Secrets",
    "via": "secretsmanager.eu-central-1.amazonaws.com",
    "and_encrypt": True,
    "queue_arn": ARN.format("sqs", "q"),
    "bucket_arn": "arn:aws:s3:::b",
    "objects_arn": "arn:aws:s3:::b/*",
    "alias_arn": ARN.format("lambda", "function:f:live"),
    "sid": "UseTable",
    "actions": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
    "table_arn": ARN.format("dynamodb", "table/t"),
    "index_arns": [ARN.format("dynamodb", "table/t/index/i")],
    "role_arn": "arn:aws:iam::123456789012:role/r",
    "model_arns": ["arn:aws:bedrock:eu-central-1::foundation-model/m"],
    "profile_arn": ARN.format("bedrock", "inference-profile/eu.m"),
}
"""What a statement is about, by the parameter's name."""
WRITTEN_BY = (policies, assumed_role, bedrock)
"""The modules whose functions write statements."""
NEEDED = {
    "apigatewayv2.Api": "apigateway:POST apigateway:GET apigateway:PATCH apigateway:DELETE",
    "apigatewayv2.Integration": "apigateway:POST",
    "apigatewayv2.Route": "apigateway:POST",
    "apigatewayv2.Stage": "apigateway:POST logs:CreateLogDelivery",
    "cloudwatch.LogGroup": "logs:CreateLogGroup logs:PutRetentionPolicy logs:DescribeLogGroups logs:DeleteLogGroup",
    "cloudwatch.MetricAlarm": "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms cloudwatch:DeleteAlarms",
    "dynamodb.Table": "dynamodb:CreateTable dynamodb:DescribeTable dynamodb:UpdateTable dynamodb:DeleteTable "
    "dynamodb:UpdateTimeToLive dynamodb:DescribeTimeToLive dynamodb:UpdateContinuousBackups",
    "ecr.LifecyclePolicy": "ecr:PutLifecyclePolicy ecr:GetLifecyclePolicy ecr:DeleteLifecyclePolicy",
    "ecr.Repository": "ecr:CreateRepository ecr:DescribeRepositories ecr:DeleteRepository ecr:PutImage",
    "iam.Role": "iam:CreateRole iam:GetRole iam:DeleteRole iam:PassRole",
    "iam.RolePolicy": "iam:PutRolePolicy iam:GetRolePolicy iam:DeleteRolePolicy",
    "lambda_.Alias": "lambda:CreateAlias lambda:GetAlias lambda:UpdateAlias lambda:DeleteAlias",
    "lambda_.EventSourceMapping": "lambda:CreateEventSourceMapping lambda:GetEventSourceMapping "
    "lambda:UpdateEventSourceMapping lambda:DeleteEventSourceMapping",
    "lambda_.Function": "lambda:CreateFunction lambda:GetFunction lambda:UpdateFunctionCode lambda:PublishVersion "
    "lambda:UpdateFunctionConfiguration lambda:DeleteFunction ec2:DescribeSubnets ec2:DescribeSecurityGroups",
    "lambda_.FunctionEventInvokeConfig": "lambda:PutFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig "
    "lambda:DeleteFunctionEventInvokeConfig",
    "lambda_.FunctionUrl": "lambda:CreateFunctionUrlConfig lambda:GetFunctionUrlConfig lambda:UpdateFunctionUrlConfig "
    "lambda:DeleteFunctionUrlConfig",
    "lambda_.LayerVersion": "lambda:PublishLayerVersion lambda:GetLayerVersion lambda:DeleteLayerVersion s3:GetObject",
    "lambda_.Permission": "lambda:AddPermission lambda:GetPolicy lambda:RemovePermission",
    "lambda_.ProvisionedConcurrencyConfig": "lambda:PutProvisionedConcurrencyConfig "
    "lambda:GetProvisionedConcurrencyConfig lambda:DeleteProvisionedConcurrencyConfig",
    "s3.Bucket": "s3:CreateBucket s3:ListBucket s3:DeleteBucket s3:GetBucketLocation s3:DeleteObject",
    "s3.BucketCorsConfiguration": "s3:PutBucketCORS s3:GetBucketCORS",
    "s3.BucketLifecycleConfiguration": "s3:PutLifecycleConfiguration s3:GetLifecycleConfiguration",
    "s3.BucketNotification": "s3:PutBucketNotification s3:GetBucketNotification",
    "s3.BucketPolicy": "s3:PutBucketPolicy s3:GetBucketPolicy s3:DeleteBucketPolicy",
    "s3.BucketPublicAccessBlock": "s3:PutBucketPublicAccessBlock s3:GetBucketPublicAccessBlock",
    "s3.BucketServerSideEncryptionConfiguration": "s3:PutEncryptionConfiguration s3:GetEncryptionConfiguration",
    "s3.BucketVersioning": "s3:PutBucketVersioning s3:GetBucketVersioning",
    "secretsmanager.Secret": "secretsmanager:CreateSecret secretsmanager:DescribeSecret secretsmanager:DeleteSecret",
    "sns.Topic": "sns:CreateTopic sns:GetTopicAttributes sns:SetTopicAttributes sns:DeleteTopic",
    "sns.TopicPolicy": "sns:SetTopicAttributes",
    "sns.TopicSubscription": "sns:Subscribe sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes "
    "sns:Unsubscribe sns:ListSubscriptionsByTopic",
    "sqs.Queue": "sqs:CreateQueue sqs:GetQueueAttributes sqs:SetQueueAttributes sqs:DeleteQueue",
    "sqs.QueuePolicy": "sqs:SetQueueAttributes",
}
"""Type → what the provider calls to make, read, change and delete one, as its documentation says."""


def written_statements() -> Iterator[policies.Statement]:
    """One of every statement that a component or a page can write."""
    written = [each for module in WRITTEN_BY for each in inspect.getmembers(module, inspect.isfunction)]
    for name, function in written:
        signature = inspect.signature(function)
        if signature.return_annotation == "Statement":
            assert signature.parameters.keys() <= SAMPLES.keys(), f"SAMPLES lacks a parameter of {name}"
            yield function(**{parameter: SAMPLES[parameter] for parameter in signature.parameters})


@pytest.mark.parametrize("name", ["PreviewRole", *DEPLOYING, "FunctionBoundary"])
def test_aws_knows_every_action_of_the_template_and_lets_it_be_limited_so(name: str) -> None:
    """The deploy role could not deploy a topic function: SNS authorises three of the actions on `*` only."""
    found = [
        problem
        for statement in statements(name)
        for problem in problems({"Action": statement["Action"], "Resource": as_text(statement["Resource"])})
    ]
    # A boundary is one list of actions on one list of resources: AWS takes the pairs that make sense.
    assert found == []


def test_what_is_allowed_on_everything_could_not_be_less() -> None:
    limited_otherwise = {
        # by the function that a mapping feeds
        "lambda:DeleteEventSourceMapping",
        "lambda:GetEventSourceMapping",
        "lambda:UpdateEventSourceMapping",
        # asked about by name, and answered for a whole account
        "cloudwatch:DescribeAlarms",
        # refused by Lambda on less
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:UnassignPrivateIpAddresses",
    }
    found = {
        action
        for name in ["PreviewRole", *DEPLOYING, "FunctionBoundary"]
        for statement in statements(name)
        for action in could_be_limited({**statement, "Resource": as_text(statement["Resource"])})
    }
    assert found == limited_otherwise


@pytest.mark.parametrize("stack", STACKS)
def test_aws_knows_every_action_of_the_programs_own_policies(stack: str) -> None:
    for policy in Runner(Build())(stack).all("RolePolicy"):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            assert {name for name in listed(statement["Action"]) if resource_arns(name) is None} == set()


def test_every_statement_that_can_be_written_is_one_that_aws_understands() -> None:
    found = list(written_statements())
    assert len(found) > 10
    for statement in found:
        assert problems({"Action": statement.actions, "Resource": statement.resources}) == []
        assert statement.reason or could_be_limited(statement.render()) == []


def test_the_boundary_lets_functions_do_whatever_a_statement_grants() -> None:
    granted = {action for statement in written_statements() for action in statement.actions}
    assert "secretsmanager:GetSecretValue" in granted
    assert granted <= actions("FunctionBoundary")


def test_the_deploy_role_can_make_everything_that_a_component_makes() -> None:
    sources = "\n".join(file.read_text() for file in sorted((ROOT / "components").rglob("*.py")))
    made = set(re.findall(r"\baws\.(\w+\.[A-Z]\w+)\(", sources))
    made = {kind for kind in made if not kind.endswith("Args")}
    assert made == NEEDED.keys(), "say what a new type needs"
    allowed = set().union(*(actions(name) for name in DEPLOYING))
    if "s3:GetBucket*" in allowed:
        allowed |= {"s3:GetBucketLocation", "s3:GetBucketPolicy", "s3:GetBucketNotification"}
        allowed |= {"s3:GetBucketPublicAccessBlock", "s3:GetBucketCORS", "s3:GetBucketVersioning"}
    assert {action for needed in NEEDED.values() for action in needed.split()} <= allowed


def test_the_table_of_rights_in_the_document_names_what_aws_knows_and_says_what_is_on_everything() -> None:
    table = DOCUMENT.read_text().split("| command | rights |")[1].split("\n\n")[0]
    found: dict[str, bool] = {
        action: bool(mark) for action, mark in re.findall(r"\b([a-z0-9]+:[A-Z]\w+)( on `\*`)?", table)
    }
    assert len(found) > 20
    unknown = [action for action in found if resource_arns(action) is None]
    assert unknown == []
    assert {action for action in found if not resource_arns(action)} == {name for name, mark in found.items() if mark}


def test_the_reference_tells_right_from_wrong() -> None:
    """A check of the check: what was wrong in the template is found."""
    topic: dict[str, Any] = {"Resource": ARN.format("sns", "strata-dev-*")}
    assert problems({**topic, "Action": "sns:Unsubscribe"}) == ["sns:Unsubscribe is authorised on * only"]
    assert problems({**topic, "Action": "sns:Unsubscrib"}) == ["sns:Unsubscrib does not exist"]
    assert problems({**topic, "Action": ["sns:Publish", "sqs:SendMessage"]}) == [
        f"sqs:SendMessage is not authorised on any of {topic['Resource']}"
    ]
