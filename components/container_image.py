"""A function's container image: its repository, and the command that builds and pushes it under its digest.

Owns the hand-over from the image builder to Pulumi, as `layer.py` does for layers: a preview computes the tag only.
What is in an image is said by its package.
"""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import pulumi
import pulumi_aws as aws
import pulumi_command as command
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import values
from components.fields import key
from components.section import Section
from layer_builds.plan import image_digest, image_tag

if TYPE_CHECKING:
    from pulumi import Input

    from components.layer import Builder, Compiler
    from components.package import Package

KEPT_IMAGES: Final = 50
"""More than the function versions that anybody goes back to; Lambda needs the image of each version that is invoked."""


class ImageSettings(Section):
    """Functions that are shipped as container images."""

    bases: Annotated[dict[str, str], AfterValidator(values.base_images)] = key(
        "Lambda's base image for each runtime that an image uses, by digest: "
        "`{python3.13: public.ecr.aws/lambda/python@sha256:…}`.",
        default=dict,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerImageArgs:
    """What to build, on what, and as whom."""

    package: Package
    base: str
    """The base image, by its digest."""
    account_id: Input[str]
    """The provider's account; pushing with other credentials is refused."""
    region: Input[str]
    profile: str | None = None
    """The AWS profile of the provider."""
    builder: Builder = "native"
    """Of the layers whose contents it holds."""
    compiler: Compiler = "pinned"
    """The same."""

    def __post_init__(self) -> None:
        values.base_images({self.package.target.runtime: self.base})
        if self.profile is not None:
            values.profile(self.profile)

    @property
    def tag(self) -> str:
        """A digest of all that is in the image."""
        compiler = platform.python_version() if self.compiler == "running" else None
        return image_tag(image_digest(self.package.image, self.base, compiler))


class ContainerImage(pulumi.ComponentResource):
    """An image in a repository of its own."""

    uri: pulumi.Output[str]
    """Repository and tag, known once the image is there."""

    def __init__(self, name: str, args: ContainerImageArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:ContainerImage", name, None, opts)
        child = ResourceOptions(parent=self)
        self.tag = args.tag
        self.repository = aws.ecr.Repository(
            f"{name}-images",
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            # What it holds can be built again from the repository, so destroying a stack may delete it as it is.
            force_delete=True,
            opts=child,
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-images-kept", repository=self.repository.name, policy=json.dumps(lifecycle()), opts=child
        )
        publish = command.local.Command(
            f"{name}-image-publish",
            create=publish_command(args, self.repository.repository_url),
            triggers=[self.tag, self.repository.repository_url],
            opts=child,
        )
        self.uri = pulumi.Output.all(self.repository.repository_url, publish.stdout).apply(
            lambda known: f"{known[0]}:{self.tag}"
        )
        self.register_outputs({"uri": self.uri, "tag": self.tag})


def publish_command(args: ContainerImageArgs, repository_url: Input[str]) -> pulumi.Output[str]:
    """Return the command line that builds and pushes: plain words only, no path of this machine."""
    package = args.package
    fixed = [
        *("uv run --frozen python -m layer_builds publish-image", package.system, "--tag", args.tag),
        *("--runtime", package.target.runtime, "--architecture", package.target.architecture),
        *("--base", args.base, "--handler", package.handler, "--builder", args.builder),
        *(f"--layer {layer.name}" for layer in package.layers),
        *(f"--folder {folder.place}={folder.path}" for folder, _ in package.folders),
        *(["--compiler", args.compiler] if args.compiler != "pinned" else []),
        *(["--profile", args.profile] if args.profile is not None else []),
    ]
    return pulumi.Output.concat(
        *(" ".join(fixed), " --repository ", repository_url),
        *(" --account ", args.account_id, " --region ", args.region),
    )


def lifecycle() -> dict[str, object]:
    """Return the repository's lifecycle: what lost its tag goes, and all but the newest images."""
    untagged = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1}
    surplus = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES}
    return {
        "rules": [
            {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}
            for priority, selection in enumerate((untagged, surplus), start=1)
        ]
    }
