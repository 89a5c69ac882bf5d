"""Layers in AWS that are this stack's though the repository has them no more.

A name alone does not say whose a layer is: `strata-prod-eu-images-py313-arm64` may be `eu-images` of the stack `prod`
or `images` of a stack `prod-eu`. What a version was made from does: its description is the digest of its artifact, and
the artifact lies in the stack's bucket under the layer's name. In a bucket that stacks share as well, each of them
published under its own layer's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ops.aws_errors import code_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ops.stack import Stack

ARTIFACT: Final = re.compile(r"layers/(?P<layer>[^/]+)/(?P<digest>[0-9a-f]{64})\.zip")
TARGET: Final = re.compile(r"-py\d+-(arm64|x86_64)$")
"""The end of a layer's name in AWS; of runtimes that are no longer built for as well."""
UNLISTED: Final = {"NoSuchBucket", "AccessDenied"}


@dataclass(frozen=True, slots=True)
class FormerLayers:
    """What was found."""

    digests: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """Name of a layer → the digests that are this stack's; other versions of that name may be another stack's."""
    doubtful: tuple[str, ...] = ()
    """Names that begin as this stack's do, and of which nothing shows that they are."""
    why: str = "nothing in the artifact bucket shows whose they are"


def former_layers(stack: Stack, stem: str, names: Iterable[str], known: Collection[str]) -> FormerLayers:
    """Tell this stack's former layers from those of other stacks.

    Args:
        stem: what the names of this stack's layers begin with, `strata-prod`.
        names: of all layers in the region.
        known: those that are this stack's in any case.
    """
    candidates = sorted(name for name in set(names) - set(known) if name.startswith(f"{stem}-") and TARGET.search(name))
    found: dict[str, frozenset[str]] = {}
    try:
        published = artifacts(stack) if candidates else {}
    except ClientError as error:
        if code_of(error) not in UNLISTED:
            raise
        return FormerLayers(found, tuple(candidates), f"the artifact bucket could not be listed ({code_of(error)})")
    for name in candidates:
        mine = name.removeprefix(f"{stem}-")
        # The same digest under a longer or a shorter name that fits: another stack's layer of the same contents.
        digests = {
            digest
            for digest, layers in published.items()
            if [layer for layer in layers if fits(layer, name)] == [TARGET.sub("", mine)]
        }
        if digests:
            found[name] = frozenset(digests)
    return FormerLayers(found, tuple(name for name in candidates if name not in found))


def fits(layer: str, name: str) -> bool:
    """Whether a layer's name in AWS may be that of `layer`, of whichever stack."""
    return TARGET.sub("", name).endswith(f"-{layer}")


def artifacts(stack: Stack) -> dict[str, list[str]]:
    """Digest → the layers that were published under it, in the stack's artifact bucket."""
    found: dict[str, list[str]] = {}
    bucket = stack.outputs.get("artifact_bucket")
    if not bucket:
        return found
    for page in stack.client("s3").get_paginator("list_objects_v2").paginate(Bucket=str(bucket), Prefix="layers/"):
        for artifact in page.get("Contents", []):
            if match := ARTIFACT.fullmatch(artifact["Key"]):
                found.setdefault(match["digest"], []).append(match["layer"])
    return found
