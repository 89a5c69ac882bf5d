"""Secrets by reference: a function gets an ARN or a parameter's name and the right to read it, never a value.

Owns the three ways to a reference: a new empty secret of this stack, a given ARN, a given parameter. Filling a secret
belongs to `ops secret set`; reading one, to the function. No value passes through Pulumi.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi_aws as aws
from pulumi import ResourceOptions

from components import limits, policies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulumi import Input

    from components.account import Account
    from components.function_settings import SecretReference
    from components.stack_sections import SecretSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSecret:
    """A secret as one function sees it. Exactly one of the two references is set."""

    variable: str
    """The contract's name, `OPENAI_API_KEY`."""
    secret_arn: Input[str] | None = None
    parameter: str | None = None
    announced: bool = True
    """By a variable of the secret's name; else the function has a variable of its own for that."""

    @property
    def reference(self) -> Input[str]:
        """The ARN, or the parameter's name."""
        if self.secret_arn is not None:
            return self.secret_arn
        if self.parameter is not None:
            return self.parameter
        raise ValueError(f"{self.variable} has neither an ARN nor a parameter")

    @property
    def environment(self) -> dict[str, Input[str]]:
        """The one variable that tells the function where to look."""
        if not self.announced:
            return {}
        suffix = "SECRET_ARN" if self.secret_arn is not None else "PARAMETER"
        return {f"{self.variable}_{suffix}": self.reference}


def function_secret(
    name: str,
    variable: str,
    given: SecretReference | None,
    stack: SecretSettings,
    opts: ResourceOptions,
    *,
    protect: bool = False,
) -> FunctionSecret:
    """Return the reference that config gives, or make an empty secret.

    Args:
        name: The system's logical name; a new secret is `<name>-<variable in kebab case>`.
        variable: The contract's name of the secret.
        given: What config says about it; None makes a new secret.
        stack: The key and recovery window for new secrets.
        opts: The owner's options for children.
        protect: Refuse to delete a secret that the stack made.
    """
    if given is not None:
        return planned_secret(variable, given)
    made = aws.secretsmanager.Secret(
        f"{name}-{variable.lower().replace('_', '-')}",
        description=f"{variable} of {name}. Empty until `python -m ops secret set` fills it.",
        kms_key_id=stack.kms_key_arn,
        recovery_window_in_days=stack.recovery_window_days,
        # Somebody would have to fill a new one.
        opts=ResourceOptions.merge(opts, ResourceOptions(protect=protect)),
    )
    return FunctionSecret(variable=variable, secret_arn=made.arn)


def planned_secret(variable: str, given: SecretReference | None) -> FunctionSecret:
    """Return the reference that config gives, or one as long as a new secret's, before anything is registered.

    Args:
        variable: The contract's name of the secret.
        given: What config says about it; None is a secret that the stack will make.
    """
    if given is None:
        return FunctionSecret(variable=variable, secret_arn="?" * limits.REFERENCE_BYTES)
    return FunctionSecret(
        variable=variable, secret_arn=given.secret_arn, parameter=given.parameter, announced=given.announced
    )


def secret_statements(
    secrets: Sequence[FunctionSecret], kms_key_arn: str | None, account: Account
) -> list[policies.Statement]:
    """Return what a role needs to read exactly these secrets.

    Args:
        secrets: The function's secrets.
        kms_key_arn: A customer key that encrypts them; None when AWS's own keys do, which need no grant.
        account: For parameters' ARNs and for the services that may ask for decryption.
    """
    arns = [secret.secret_arn for secret in secrets if secret.secret_arn is not None]
    parameters = [account.parameter_arn(secret.parameter) for secret in secrets if secret.parameter is not None]
    statements: list[policies.Statement] = []
    if arns:
        statements.append(policies.read_secrets(arns))
        if kms_key_arn is not None:
            statements.append(policies.decrypt(kms_key_arn, "Secrets", account.endpoint("secretsmanager")))
    if parameters:
        statements.append(policies.read_parameters(parameters))
        if kms_key_arn is not None:
            statements.append(policies.decrypt(kms_key_arn, "Parameters", account.endpoint("ssm")))
    return statements


def variables_of(secrets: Sequence[FunctionSecret]) -> dict[str, Input[str]]:
    """Return the variables that point at all of a function's secrets."""
    return {key: value for secret in secrets for key, value in secret.environment.items()}


def references(secrets: Sequence[FunctionSecret]) -> dict[str, Input[str]]:
    """Return contract name → ARN or parameter name, for the stack's outputs."""
    return {secret.variable: secret.reference for secret in secrets}
