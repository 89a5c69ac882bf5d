"""Secrets Manager and Parameter Store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.rows.arguments import Made

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def secret(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.secretsmanager.Secret: without a value, as in AWS."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    call = {"Tags": cloud.tag_list(arguments), **arguments.renamed(Description="description", KmsKeyId="kmsKeyId")}
    arguments.take("recoveryWindowInDays")  # used by a delete only
    arguments.take("forceOverwriteReplicaSecret")

    def make() -> Made:
        arn = cloud.client("secretsmanager").create_secret(Name=name, **call)["ARN"]
        return Made(arn, {"name": name, "arn": arn})

    return make


def parameter(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.ssm.Parameter."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    call = {
        "Type": arguments.need("type"),
        "Value": arguments.need("value"),
        "Tags": cloud.tag_list(arguments),
        **arguments.renamed(Description="description", KeyId="keyId", Tier="tier"),
    }

    def make() -> Made:
        version = cloud.client("ssm").put_parameter(Name=name, **call)["Version"]
        return Made(name, {"name": name, "arn": cloud.arn("ssm", f"parameter/{name.lstrip('/')}"), "version": version})

    return make


ROWS: dict[str, Row] = {
    "aws:secretsmanager/secret:Secret": secret,
    "aws:ssm/parameter:Parameter": parameter,
}
