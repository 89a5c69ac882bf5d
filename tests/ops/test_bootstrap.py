"""docs/bootstrap.yaml: who may become which role, and how little each may do."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.ops.bootstrap_template import (
    CLAIM,
    DEPLOYING,
    DOCUMENT,
    RESOURCES,
    actions,
    bootstrapped,
    create_bucket,
    entered,
    statements,
    trust_account,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.account import Account

ROOT = Path(__file__).resolve().parents[2]


def trust(name: str) -> dict[str, Any]:
    [statement] = RESOURCES[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert list(statement["Condition"]) == ["StringEquals"], "no pattern: every claim is equal or it is not"
    return statement["Condition"]["StringEquals"]


def test_previews_come_from_pull_requests_of_this_repository_only() -> None:
    assert trust("PreviewRole") == {
        f"{CLAIM}:aud": "sts.amazonaws.com",
        f"{CLAIM}:sub": {"Sub": "repo:${RepositorySubject}:pull_request"},
    }


def test_deployments_come_from_the_environment_and_the_ref_only() -> None:
    assert trust("DeployRole") == {
        f"{CLAIM}:aud": "sts.amazonaws.com",
        f"{CLAIM}:sub": {"Sub": "repo:${RepositorySubject}:environment:${EnvironmentName}"},
        f"{CLAIM}:ref": {"Ref": "DeployRef"},
    }


def test_a_preview_reads_the_state_and_which_versions_there_are_and_nothing_else() -> None:
    state = {"s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject", "kms:Decrypt"}
    assert actions("PreviewRole") == {*state, "lambda:ListVersionsByFunction"}


@pytest.mark.parametrize("name", [*DEPLOYING, "FunctionBoundary"])
def test_no_statement_allows_a_whole_service(name: str) -> None:
    for action in actions(name):
        assert re.fullmatch(r"[a-z0-9]+:[A-Z][A-Za-z]+(Bucket\*)?", action), action


@pytest.mark.parametrize("name", [*DEPLOYING, "FunctionBoundary"])
def test_every_resource_is_the_stacks_own_unless_a_comment_says_why(name: str) -> None:
    text = (ROOT / "docs" / "bootstrap.yaml").read_text()
    for statement in statements(name):
        resource = json.dumps(statement["Resource"])
        own = "strata-${StackName}-" in resource or "Bucket" in resource or "SecretsKey" in resource
        if not own:
            before = text[: text.index(f"- Sid: {statement['Sid']}\n", text.index(f"  {name}:\n"))].splitlines()
            assert any(line.strip().startswith("#") for line in before[-14:]), statement["Sid"]


def test_a_deployment_can_neither_read_nor_write_a_secrets_value() -> None:
    everything = set().union(*(actions(name) for name in DEPLOYING))
    assert not {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "ssm:GetParameter"} & everything
    assert not {one for one in everything if one.startswith("iam:Attach")}, "no other policy can be attached to a role"


def test_the_config_s_own_key_works_through_the_services_that_encrypt_with_it_only() -> None:
    """Without it a stack with `secrets.kms_key_arn` could not publish a layer, or make a table."""
    assert RESOURCES["DeployWithCustomerKey"]["Condition"] == "WithCustomerKey"
    use, grant = statements("DeployWithCustomerKey")
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    tables = {"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"}
    assert {*tables, "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"} == set(use["Action"])
    assert use["Resource"] == grant["Resource"] == {"Ref": "CustomerKeyArn"}
    services = [f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}" for service in ("dynamodb", "s3", "secretsmanager")]
    assert use["Condition"] == {"StringEquals": {"kms:ViaService": [{"Sub": service} for service in services]}}
    assert (grant["Action"], grant["Condition"]) == (
        "kms:CreateGrant",
        {
            "Bool": {"kms:GrantIsForAWSResource": "true"},
            "StringEquals": {"kms:ViaService": {"Sub": services[0]}},
        },
    )


def test_a_shared_bucket_s_artifacts_can_be_added_and_not_overwritten() -> None:
    """Every stack's role could replace what another stack's layers are made from."""
    [add] = [one for one in statements("DeployToSharedBucket") if "s3:PutObject" in one["Action"]]
    assert (add["Action"], add["Condition"]) == ("s3:PutObject", {"Null": {"s3:if-none-match": "false"}})
    assert actions("DeployToSharedBucket") == {"s3:ListBucket", "s3:GetObject", "s3:PutObject"}


def test_roles_are_passed_to_lambda_only() -> None:
    [statement] = [one for one in statements("DeployFunctions") if "iam:PassRole" in one["Action"]]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def test_the_boundary_can_be_made_a_condition_of_every_role() -> None:
    [statement] = [one for one in statements("DeployFunctions") if "iam:CreateRole" in one["Action"]]
    condition = statement["Condition"]["If"]
    assert condition[0] == "WithBoundary"
    assert condition[1] == {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "FunctionBoundary"}}}
    assert not actions("DeployFunctions") & {"iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"}


@pytest.mark.parametrize("name", ["DeployFunctions", "DeployOthers", "DeployStores", "FunctionBoundary"])
def test_a_managed_policy_stays_within_iams_size(name: str) -> None:
    """6,144 characters without white space: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html."""
    text = json.dumps(RESOURCES[name]["Properties"]["PolicyDocument"], separators=(",", ":"))
    longest = text.replace("${StackName}", "s" * 16).replace("${AWS::Region}", "ap-southeast-99")
    assert len(longest) < 6_144


@pytest.mark.parametrize("name", ["StateBucket", "SecretsKey", "GitHub"])
def test_what_other_stacks_need_survives_the_templates_deletion(name: str) -> None:
    assert RESOURCES[name]["DeletionPolicy"] == RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


def test_the_state_is_versioned_encrypted_and_private() -> None:
    bucket = RESOURCES["StateBucket"]["Properties"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketEncryption" in bucket


@pytest.mark.parametrize(
    ("subject", "good"),
    [
        ("octo-org/strata", True),
        ("octo-org@123/strata@456", True),
        ("octo-org/*", False),
        ("*", False),
        ("octo-org/strata:ref:refs/heads/x", False),
        ("octo-org", False),
    ],
)
def test_the_repository_is_named_whole(subject: str, good: bool) -> None:
    pattern = DOCUMENT["Parameters"]["RepositorySubject"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, subject)) is good


@pytest.mark.parametrize(
    ("stack", "good"),
    [
        ("dev", True),
        ("bootstrapped", True),
        ("prod-eu", False),
        ("bootstrap", False),
        ("Dev", False),
        ("s" * 17, False),
    ],
)
def test_no_deploy_role_s_names_are_the_beginning_of_others(stack: str, good: bool) -> None:
    pattern = DOCUMENT["Parameters"]["StackName"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, stack)) is good


def jwt(**claims: str) -> str:
    """An unsigned token: the emulator reads what a token says and does not check who signed it."""
    parts = [{"alg": "none"}, {"iss": f"https://{CLAIM}", "aud": "sts.amazonaws.com", **claims}]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts), "x"])


@pytest.fixture(scope="module")
def outputs(account: Account) -> Iterator[dict[str, str]]:
    """The template in the emulator, for the stack `dev` with a shared bucket."""
    create_bucket(account, "team-layers")
    with bootstrapped(account, "dev", ArtifactBucketName="team-layers") as outputs:
        yield outputs


def become(account: Account, role: str, **claims: str) -> boto3.Session:
    """The role's session, for a token with these claims."""
    answer = account.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="test", WebIdentityToken=jwt(**claims)
    )
    found = answer["Credentials"]
    return boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], account.region)


@pytest.mark.parametrize(
    "subject",
    [
        "repo:octo-org@1/strata@2:ref:refs/heads/main",
        "repo:octo-org/strata:pull_request",
        "repo:octo-org@1/strata@3:pull_request",
        "repo:octo-org@1/strata@2:pull_request:environment:dev",
        "",
    ],
)
def test_no_other_token_becomes_the_preview_role(account: Account, outputs: dict[str, str], subject: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        become(account, outputs["PreviewRoleArn"], sub=subject)


def test_a_token_without_the_ref_does_not_deploy(account: Account, outputs: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        become(account, outputs["DeployRoleArn"], sub="repo:octo-org@1/strata@2:environment:dev")


def test_the_preview_role_reads_states_and_is_refused_everything_else(
    account: Account, outputs: dict[str, str]
) -> None:
    account.client("s3").put_object(Bucket="pulumi-state", Key=".pulumi/stacks/strata/dev.json", Body=b"{}")
    account.client("s3").put_object(Bucket="pulumi-state", Key="private.txt", Body=b"")
    session = become(account, outputs["PreviewRoleArn"], sub="repo:octo-org@1/strata@2:pull_request")
    clients: Any = session
    s3 = clients.client("s3", endpoint_url=account.endpoint)
    assert s3.get_object(Bucket="pulumi-state", Key=".pulumi/stacks/strata/dev.json")["Body"].read() == b"{}"
    refused = [
        lambda: s3.put_object(Bucket="pulumi-state", Key=".pulumi/stacks/strata/dev.json", Body=b"x"),
        lambda: s3.delete_object(Bucket="pulumi-state", Key=".pulumi/stacks/strata/dev.json"),
        lambda: s3.get_object(Bucket="pulumi-state", Key="private.txt"),
        lambda: clients.client("lambda", endpoint_url=account.endpoint).list_functions(),
        lambda: clients.client("secretsmanager", endpoint_url=account.endpoint).list_secrets(),
    ]
    for call in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


@pytest.fixture(scope="module")
def deploying(account: Account, outputs: dict[str, str]) -> Callable[[str], Any]:
    """Clients of the deploy role."""
    found = entered(account, outputs["DeployRoleArn"])
    clients: Any = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], account.region)
    return lambda service: clients.client(service, endpoint_url=account.endpoint)


def test_the_deploy_role_publishes_to_a_shared_bucket_and_deletes_and_overwrites_nothing_there(
    deploying: Callable[[str], Any],
) -> None:
    s3, where = deploying("s3"), {"Bucket": "team-layers", "Key": "layers/x/0.zip"}
    with pytest.raises(ClientError, match="404"):
        s3.head_object(**where)
    s3.put_object(**where, Body=b"x", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**where, Body=b"other", IfNoneMatch="*")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(**where, Body=b"other")
    assert s3.get_object(**where)["Body"].read() == b"x"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**where)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(**{**where, "Key": "other"}, Body=b"x", IfNoneMatch="*")


def test_the_deploy_role_writes_its_own_stack_s_state_only(account: Account, deploying: Callable[[str], Any]) -> None:
    """A command that is planted in another stack's state runs as whoever deploys that stack next."""
    s3 = deploying("s3")
    for key in (
        "stacks/strata/dev.json",
        "stacks/strata/dev.json.bak",
        "history/strata/dev/dev-1.history.json",
        "backups/strata/dev/dev.1.json",
        "locks/organization/strata/dev/0.json",
    ):
        where = {"Bucket": "pulumi-state", "Key": f".pulumi/{key}"}
        s3.put_object(**where, Body=b"{}")
        s3.get_object(**where)
        s3.delete_object(**where)
    for key in (
        "stacks/strata/prod.json",
        "stacks/strata/dev-eu.json",
        "stacks/other/dev.json",
        "history/strata/prod/prod-1.history.json",
        "backups/strata/prod/prod.1.json",
        "locks/organization/strata/prod/0.json",
        "meta.yaml",
    ):
        where = {"Bucket": "pulumi-state", "Key": f".pulumi/{key}"}
        account.client("s3").put_object(**where, Body=b"version: 1")
        for call in [s3.put_object, s3.delete_object, *([s3.get_object] if key != "meta.yaml" else [])]:
            with pytest.raises(ClientError, match="AccessDenied"):
                call(**where)
    assert s3.get_object(Bucket="pulumi-state", Key=".pulumi/meta.yaml")["Body"].read() == b"version: 1"


def test_the_deploy_role_reaches_its_own_stacks_names_only(account: Account, deploying: Callable[[str], Any]) -> None:
    sqs, secrets, iam = (deploying(service) for service in ("sqs", "secretsmanager", "iam"))
    sqs.create_queue(QueueName="strata-dev-embedding-queue")
    secrets.create_secret(Name="strata-dev-embedding-key")
    refused = [
        lambda: sqs.create_queue(QueueName="strata-prod-embedding-queue"),
        lambda: secrets.get_secret_value(SecretId="strata-dev-embedding-key"),
        lambda: secrets.put_secret_value(SecretId="strata-dev-embedding-key", SecretString="x"),
        lambda: iam.create_role(RoleName="admin", AssumeRolePolicyDocument=trust_account(account)),
        lambda: iam.attach_role_policy(
            RoleName="strata-dev-x", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
    ]
    for call in refused:
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
