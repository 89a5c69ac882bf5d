"""ECR: repositories of container images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.rows.arguments import Made, document

if TYPE_CHECKING:
    from sandbox.rows.arguments import Arguments, Cloud, Make, Row


def repository(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.ecr.Repository."""
    name = arguments.take("name") or cloud.physical_name(arguments.name)
    call: dict[str, Any] = {"tags": cloud.tag_list(arguments)}
    call |= arguments.renamed(imageTagMutability="imageTagMutability")
    if scanning := arguments.section("imageScanningConfiguration"):
        call["imageScanningConfiguration"] = {"scanOnPush": bool(scanning.need("scanOnPush"))}
    for encryption in arguments.sections("encryptionConfigurations"):
        kind = encryption.take("encryptionType", "AES256")
        call["encryptionConfiguration"] = {"encryptionType": kind, **encryption.renamed(kmsKey="kmsKey")}
    arguments.take("forceDelete")  # a sandbox destroys nothing before it ends

    def make() -> Made:
        made = cloud.client("ecr").create_repository(repositoryName=name, **call)["repository"]
        outputs = {
            "name": name,
            "arn": made["repositoryArn"],
            "repositoryUrl": made["repositoryUri"],
            "registryId": made["registryId"],
        }
        return Made(name, outputs)

    return make


def lifecycle_policy(arguments: Arguments, cloud: Cloud) -> Make:
    """aws.ecr.LifecyclePolicy."""
    name, policy = arguments.need("repository"), document(arguments.need("policy"))

    def make() -> Made:
        made = cloud.client("ecr").put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=policy)
        return Made(name, {"registryId": made["registryId"]})

    return make


ROWS: dict[str, Row] = {
    "aws:ecr/repository:Repository": repository,
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": lifecycle_policy,
}
