"""Secrets Manager."""

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


ROWS: dict[str, Row] = {
    "aws:secretsmanager/secret:Secret": secret,
}
