"""The account and region that the provider works in, asked once per program."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, slots=True)
class Account:
    """Where the stack lives."""

    account_id: pulumi.Output[str]
    region: pulumi.Output[str]
    partition: pulumi.Output[str]
    """`aws`, `aws-cn`, `aws-us-gov`, `aws-eusc` …"""

    def parameter_arn(self, name: str) -> pulumi.Output[str]:
        """Return the ARN of a Parameter Store parameter.

        Args:
            name: With or without the leading slash, as in Parameter Store.
        """
        path = name.removeprefix("/")
        return pulumi.Output.concat(
            "arn:", self.partition, ":ssm:", self.region, ":", self.account_id, ":parameter/", path
        )

    def arn(self, service: str, name: str, *, everywhere: bool = False) -> pulumi.Output[str]:
        """Return the ARN of something of this account.

        Args:
            service: `bedrock`.
            name: What follows the account's number.
            everywhere: The service has no regions, as IAM.
        """
        region = "" if everywhere else self.region
        return pulumi.Output.concat("arn:", self.partition, ":", service, ":", region, ":", self.account_id, ":", name)

    def endpoint(self, service: str) -> pulumi.Output[str]:
        """Return what `kms:ViaService` calls a service of this region."""
        return pulumi.Output.concat(service, ".", self.region, ".amazonaws.com")


def current_account() -> Account:
    """Ask the provider. Two calls, answered by AWS's endpoint alone."""
    identity = aws.get_caller_identity_output()
    # `id` rather than `region`: versions 5 and 6 of the Terraform provider underneath agree on it.
    region = aws.get_region_output()
    return Account(
        account_id=identity.account_id,
        region=region.apply(lambda found: found.region or pulumi.get(found, "id")),  # pyright: ignore[reportUnknownMemberType] (has no types)
        partition=identity.arn.apply(lambda arn: arn.split(":")[1]),
    )
