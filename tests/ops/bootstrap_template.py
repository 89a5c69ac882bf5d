"""docs/bootstrap.yaml: its statements as data, CloudFormation's short forms in them as text, and its roles made."""

from __future__ import annotations

import contextlib
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.ops.iam_reference import EVERYTHING, listed

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from mypy_boto3_sts.type_defs import CredentialsTypeDef

    from sandbox.account import Account

FILE = Path(__file__).resolve().parents[2] / "docs" / "bootstrap.yaml"
VALUES = {"AWS::Partition": "aws", "AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012", "StackName": "dev"}
CLAIM = "token.actions.githubusercontent.com"
A_KEY = "arn:aws:kms:eu-central-1:123456789012:key/x"
DEPLOYING = (
    "DeployRole",
    "DeployFunctions",
    "DeployOthers",
    "DeployStores",
    "DeployWithCustomerKey",
    "DeployToSharedBucket",
)
"""What a deployment may do."""


class Template(yaml.SafeLoader):
    """CloudFormation's short forms, kept as `{"Sub": …}`."""


def short_form(loader: Template, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {tag: loader.construct_mapping(node, deep=True)}


Template.add_multi_constructor("!", short_form)
DOCUMENT: dict[str, Any] = yaml.load(FILE.read_text(), Template)  # noqa: S506 (a SafeLoader)
RESOURCES: dict[str, Any] = DOCUMENT["Resources"]


def statements(name: str) -> list[dict[str, Any]]:
    """The statements of a role's or a policy's documents."""
    properties = RESOURCES[name]["Properties"]
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    return [statement for document in documents for statement in document["Statement"]]


def actions(name: str) -> set[str]:
    """All actions of a role or policy."""
    found: set[str] = set()
    for statement in statements(name):
        found |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return found


def uncovered(account: Account, stack: str, asked: Iterable[tuple[str, str]]) -> list[str]:
    """Calls that no statement of a stack's deploy role fits; conditions are not looked at.

    Args:
        account: where the template's roles are.
        stack: whose deploy role it is.
        asked: actions and resources; a resource that is not known is `*`.
    """
    here = {"AWS::Region": account.region, "AWS::AccountId": account.account, "StackName": stack}
    allowed = [
        (listed(statement["Action"]), listed(as_text(statement["Resource"], here)))
        for name in ("DeployRole", "DeployFunctions", "DeployOthers", "DeployStores")
        for statement in statements(name)
    ]
    return [
        f"{action} on {resource}"
        for action, resource in sorted(asked)
        if not any(
            fits(action, actions) and (resource == EVERYTHING or fits(resource, resources))
            for actions, resources in allowed
        )
    ]


def fits(name: str, patterns: list[str]) -> bool:
    """Whether one of IAM's patterns fits."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def as_text(value: Any, here: Mapping[str, str] = VALUES) -> Any:
    """A value with its short forms filled in, as the stack `dev` would have it, or with other values."""
    if isinstance(value, list):
        return [as_text(item, here) for item in value]
    if not isinstance(value, dict):
        return value
    [(form, inner)] = value.items()
    if form == "Sub":
        pattern = inner if isinstance(inner, str) else inner[0]
        return re.sub(r"\$\{([\w:.]+)\}", lambda name: {**VALUES, **here}.get(name[1], "x"), pattern)
    if form == "If":
        return as_text(inner[1], here)
    return A_KEY if "Key" in str(inner) else "x"


@contextlib.contextmanager
def bootstrapped(account: Account, stack: str, **parameters: str) -> Generator[dict[str, str]]:
    """What the template makes for a stack, in the emulator: its outputs.

    Without the identity provider, a type that the emulator does not know.
    """
    text = FILE.read_text()
    start, end = text.index("  GitHub:\n"), text.index("  SecretsKey:\n")
    template = (text[:start] + text[end:]).replace(
        "!If [MakeProvider, !Ref GitHub, !Ref OidcProviderArn]", "!Ref OidcProviderArn"
    )
    create_bucket(account, "pulumi-state")
    given = {
        "StackName": stack,
        "RepositorySubject": "octo-org@1/strata@2",
        "EnvironmentName": stack,
        "OidcProviderArn": f"arn:aws:iam::{account.account}:oidc-provider/{CLAIM}",
        "StateBucketName": "pulumi-state",
        "SecretsKeyArn": account.client("kms").create_key()["KeyMetadata"]["Arn"],
        **parameters,
    }
    clouds = account.client("cloudformation")
    clouds.create_stack(
        StackName="bootstrap",
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    clouds.get_waiter("stack_create_complete").wait(StackName="bootstrap", WaiterConfig={"Delay": 1})
    [made] = clouds.describe_stacks(StackName="bootstrap")["Stacks"]
    yield {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}
    clouds.delete_stack(StackName="bootstrap")


def create_bucket(account: Account, name: str) -> None:
    """A bucket in the account's region."""
    where: Any = {"LocationConstraint": account.region}
    place = {} if account.region == "us-east-1" else {"CreateBucketConfiguration": where}
    account.client("s3").create_bucket(Bucket=name, **place)


def trust_account(account: Account) -> str:
    """The trust policy of a role that everybody in the account may enter."""
    everybody = {"AWS": f"arn:aws:iam::{account.account}:root"}
    statement = {"Effect": "Allow", "Principal": everybody, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def entered(account: Account, role: str, *, may_do_anything: bool = False) -> CredentialsTypeDef:
    """The deploy role's credentials. The emulator knows no `ref` claim, so the role is entered by another door."""
    name, iam = role.rsplit("/", 1)[1], account.client("iam")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust_account(account))
    if may_do_anything:
        anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
        iam.put_role_policy(RoleName=name, PolicyName="anything", PolicyDocument=document)
    return account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
