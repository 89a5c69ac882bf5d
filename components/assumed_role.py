"""A role that a function takes for a part of its work, and that may do less than the function's own.

Owns who may take it: the one function's role. What it may do is decided by a system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import policies
from components.policies import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input

    from components.account import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRoleArgs:
    """Whose it is, and what it may do."""

    function: str
    """The logical name of the function that takes it. By name: the function is made with the role's ARN in hand."""
    statements: Sequence[Statement]
    account: Account
    permissions_boundary_arn: str | None = None
    """A managed policy that limits it, whatever its own policy says."""

    def __post_init__(self) -> None:
        if not self.statements:
            raise ValueError("statements is empty: a role that may do nothing is of no use")


def assume(role_arn: Input[str]) -> Statement:
    """Take another role for a while."""
    return Statement(sid="AssumeRole", actions=("sts:AssumeRole",), resources=(role_arn,))


def _trust(account_arn: Input[str], role_arns: Input[str]) -> dict[str, Any]:
    """Return who may take the role: roles of the account whose names begin so, where their own policies allow it.

    Args:
        account_arn: `arn:aws:iam::<account>:root`.
        role_arns: A pattern. A role that is named as the principal would have to exist first.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": account_arn},
                "Action": "sts:AssumeRole",
                "Condition": {"ArnLike": {"aws:PrincipalArn": role_arns}},
            },
        ],
    }


class AssumedRole(pulumi.ComponentResource):
    """A role for a part of a function's work."""

    def __init__(self, name: str, args: AssumedRoleArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:AssumedRole", name, None, opts)
        child = ResourceOptions(parent=self)
        # As autonaming names the function's role: Pulumi.yaml.
        taker = f"role/{pulumi.get_project()}-{pulumi.get_stack()}-{args.function}-role-*"
        trust = _trust(
            args.account.arn("iam", "root", everywhere=True), args.account.arn("iam", taker, everywhere=True)
        )
        self.role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=pulumi.Output.json_dumps(trust),
            permissions_boundary=args.permissions_boundary_arn,
            opts=child,
        )
        self.policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=self.role.id,
            policy=pulumi.Output.json_dumps(policies.document(args.statements)),
            opts=child,
        )
        self.register_outputs({"arn": self.role.arn})
