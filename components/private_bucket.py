"""A bucket that is private, encrypted and TLS only; others learn its name once it is.

Owns those three for every bucket of the program. What a bucket is for, and what becomes of its objects when the stack
is destroyed, is decided by its owner.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from components import policies


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateBucketArgs:
    """What differs between buckets."""

    kms_key_arn: str | None = None
    """Customer key for the objects; None uses S3's own key."""
    protect: bool = False
    """Refuse to delete the bucket, before anything of the stack is deleted."""


class PrivateBucket(pulumi.ComponentResource):
    """A bucket of objects that cannot be made again: a stack that still has some in it refuses to be destroyed."""

    bucket_name: pulumi.Output[str]
    """Known to others only once the bucket is private."""

    def __init__(self, name: str, args: PrivateBucketArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:PrivateBucket", name, None, opts)
        child = ResourceOptions(parent=self)
        # Objects cannot be made again: S3 refuses to delete a bucket that has some, but only when much else is gone.
        self.bucket = aws.s3.Bucket(f"{name}-bucket", opts=ResourceOptions(parent=self, protect=args.protect))
        self.bucket_name = close(name, self.bucket, args.kms_key_arn, child)
        self.register_outputs({"bucket_name": self.bucket_name})


def close(name: str, bucket: aws.s3.Bucket, kms_key_arn: str | None, opts: ResourceOptions) -> pulumi.Output[str]:
    """Make a bucket private, encrypted and TLS only.

    Args:
        name: The owner's logical name.
        bucket: A new bucket.
        kms_key_arn: As in the arguments.
        opts: The owner's options for children.

    Returns:
        Its name, known once all three are there: an object written before would not be encrypted as asked.
    """
    # They go with the bucket. Deleted before it, as dependents are, they leave a bucket that S3 refuses to delete open.
    with_bucket = ResourceOptions.merge(opts, ResourceOptions(retain_on_delete=True))
    block = aws.s3.BucketPublicAccessBlock(
        f"{name}-private",
        bucket=bucket.id,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=with_bucket,
    )
    default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
        sse_algorithm="AES256" if kms_key_arn is None else "aws:kms", kms_master_key_id=kms_key_arn
    )
    encryption = aws.s3.BucketServerSideEncryptionConfiguration(
        f"{name}-encryption",
        bucket=bucket.id,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=default, bucket_key_enabled=kms_key_arn is not None
            )
        ],
        opts=with_bucket,
    )
    document = policies.tls_only(bucket.arn, pulumi.Output.concat(bucket.arn, "/*"))
    # One after the other: S3 answers 409 to two changes of one bucket's access at the same time.
    policy = aws.s3.BucketPolicy(
        f"{name}-tls-only",
        bucket=bucket.id,
        policy=pulumi.Output.json_dumps(document),
        opts=ResourceOptions.merge(with_bucket, ResourceOptions(depends_on=[block, encryption])),
    )
    return policy.bucket
