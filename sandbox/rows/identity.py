"""IAM: roles and what they may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.rows.arguments import Made, document

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def role(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.iam.Role."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    call = {"AssumeRolePolicyDocument": document(arguments.need("assumeRolePolicy")), "Tags": cloud.tag_list(arguments)}
    call |= arguments.renamed(
        Description="description",
        Path="path",
        MaxSessionDuration="maxSessionDuration",
        PermissionsBoundary="permissionsBoundary",
    )

    def make() -> Made:
        made = cloud.client("iam").create_role(RoleName=name, **call)["Role"]
        return Made(name, {"name": name, "arn": made["Arn"], "uniqueId": made["RoleId"]})

    return make


def role_policy(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.iam.RolePolicy."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    owner = arguments.need("role")
    policy = document(arguments.need("policy"))

    def make() -> Made:
        cloud.client("iam").put_role_policy(RoleName=owner, PolicyName=name, PolicyDocument=policy)
        return Made(f"{owner}:{name}", {"name": name})

    return make


ROWS: dict[str, Row] = {
    "aws:iam/role:Role": role,
    "aws:iam/rolePolicy:RolePolicy": role_policy,
}
