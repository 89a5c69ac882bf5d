"""Checks of what versions are made of: images in the registry, layer versions that are to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from components.names import logical_name
from ops.aws_errors import code_of
from ops.before_deploy import image_of, layers_that_go, told_to_go
from ops.doctor.patient import Check, Finding, Patient
from ops.stack import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.stack import Function, Stack

NO_IMAGE: Final = {"ImageNotFoundException", "RepositoryNotFoundException"}


def check_images(patient: Patient) -> Iterator[Finding]:
    """Whether the registry still has the images of the newest version and of the live one.

    Lambda drops its own copy of an image that has not been used for some weeks, and then needs the registry's:
    https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
    """
    if patient.stack is None or patient.name == LOCAL:
        return
    for function in patient.stack.functions.values():
        if function.image:
            yield from image_findings(patient.stack, function)


def image_findings(stack: Stack, function: Function) -> Iterator[Finding]:
    """One function."""
    live = image_of(stack.client("lambda"), function, function.alias)
    publisher = f"'**::{logical_name(function.key)}-image-publish'"
    again = (
        "in a checkout of the commit that was deployed, "
        f"`pulumi up --stack {stack.name} --target-replace {publisher}` builds and pushes it"
    )
    latest = (
        f"`python -m ops rollback --stack {stack.name} {function.key} --to latest`, or deploy: `python -m ops deploy`"
    )
    needed = {live: ("the live version fails once Lambda drops its own copy", latest)}
    needed[function.image] = (
        "no version can be made from it, and one that has it fails once Lambda drops its copy",
        again,
    )
    for image, (consequence, remedy) in needed.items():
        title = f"image of {function.key}"
        if has_image(stack, image):
            yield Finding(title, "ok", image)
        else:
            yield Finding(title, "warn", f"{image} is gone from the registry: {consequence}", remedy)


def has_image(stack: Stack, image: str) -> bool:
    """Whether the registry has an image, by its repository and tag."""
    repository, _, tag = image.partition("/")[2].rpartition(":")
    try:
        found = stack.client("ecr").describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if code_of(error) not in NO_IMAGE:
            raise
        return False
    return bool(found["imageDetails"])


def check_kept_versions(patient: Patient) -> Iterator[Finding]:
    """Whether turning `keep_versions` on deletes what it is to keep: no preview says so, and `pulumi up` does it."""
    if patient.stack is None or patient.plan["error"] is not None:
        return
    if lost := layers_that_go(patient.stack, patient.config, patient.plan):
        remedy = "turn it on in a deployment of its own first, with the layers as they are deployed"
        yield Finding("kept layer versions", "fail", told_to_go(lost), remedy)


ARTIFACTS: Final[tuple[Check, ...]] = (check_images, check_kept_versions)
