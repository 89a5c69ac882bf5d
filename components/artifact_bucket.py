"""The bucket that keeps built layers: private, encrypted, TLS only (`private_bucket.py`).

Owns what becomes of it. What is in it belongs to `layer_builds publish`: zips under the digest of their inputs.

Deliberately without versioning: a key is a digest, so an object never changes its content and an old version would
only be a copy. Deliberately without lifecycle rules: nothing is overwritten (no old versions to expire), uploads are
single requests (no parts to abort), and age says nothing about whether a layer is still needed; and the provider waits
almost a minute for a rule to settle, in every first deployment.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components.private_bucket import close


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactBucketArgs:
    """What differs between stacks."""

    kms_key_arn: str | None = None
    """Customer key for the objects; None uses S3's own key."""


class ArtifactBucket(pulumi.ComponentResource):
    """A private bucket for built artifacts."""

    bucket_name: pulumi.Output[str]
    """Known to others only once the bucket is private and encrypted."""

    def __init__(self, name: str, args: ArtifactBucketArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:ArtifactBucket", name, None, opts)
        child = ResourceOptions(parent=self)
        # What it holds can be built again from the repository, so destroying a stack may delete it as it is.
        self.bucket = aws.s3.Bucket(f"{name}-bucket", force_destroy=True, opts=child)
        self.bucket_name = close(name, self.bucket, args.kms_key_arn, child)
        self.register_outputs({"bucket_name": self.bucket_name})
