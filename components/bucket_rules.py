"""How a bucket keeps its objects, and whose pages may use them: versions, storage classes, what goes when, CORS.

Owns those. That the bucket is private is `private_bucket.py`'s, who is told of its objects `bucket_trigger.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulumi import Input

KEPT_DAYS = 1
"""Of what only an accident leaves: parts of an upload that was never finished, versions that were replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRulesArgs:
    """A bucket and what becomes of its objects."""

    bucket: Input[str]
    """Its name."""
    tiered: Sequence[str] = ()
    """Prefixes of objects that S3 moves to cheaper storage as they are not read, and back (Intelligent-Tiering)."""
    expiring: Mapping[str, int] | None = None
    """Prefix → days after which its objects go."""
    origins: Sequence[Input[str]] = ()
    """Of the pages that upload with presigned forms and read by presigned links; none allows no page to."""

    def __post_init__(self) -> None:
        if wrong := [prefix for prefix, days in (self.expiring or {}).items() if not prefix or days < 1]:
            raise ValueError(
                f"expiring names {wrong[0]!r}: each prefix has a name, and goes after one day at the least"
            )


class BucketRules(pulumi.ComponentResource):
    """The rules of one bucket. They stay when the stack is destroyed and S3 refuses to delete a bucket with objects."""

    def __init__(self, name: str, args: BucketRulesArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("strata:components:BucketRules", name, None, opts)
        child = ResourceOptions(parent=self, retain_on_delete=True)
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=args.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        # S3 takes rules about replaced versions of a bucket that has versions.
        versioned = ResourceOptions.merge(child, ResourceOptions(depends_on=[versioning]))
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle", bucket=args.bucket, rules=_lifecycle(args), opts=versioned
        )
        if args.origins:
            rule = aws.s3.BucketCorsConfigurationCorsRuleArgs(
                allowed_methods=["GET", "POST"],
                allowed_origins=list(args.origins),
                allowed_headers=["content-type", "range"],
                expose_headers=["content-length", "content-range", "etag"],
                max_age_seconds=3_600,
            )
            aws.s3.BucketCorsConfiguration(f"{name}-cors", bucket=args.bucket, cors_rules=[rule], opts=child)
        self.register_outputs({"bucket": args.bucket})


def _lifecycle(args: BucketRulesArgs) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
    """Return what was replaced first, then tiers, then what goes."""
    rule, within = aws.s3.BucketLifecycleConfigurationRuleArgs, aws.s3.BucketLifecycleConfigurationRuleFilterArgs
    leftovers = rule(
        id="leftovers",
        status="Enabled",
        filter=within(prefix=""),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
        noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=KEPT_DAYS
        ),
        abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
            days_after_initiation=KEPT_DAYS
        ),
    )
    tiers = [
        rule(
            id=f"tier-{_words(prefix)}",
            status="Enabled",
            filter=within(prefix=prefix),
            transitions=[
                aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(days=0, storage_class="INTELLIGENT_TIERING")
            ],
        )
        for prefix in args.tiered
    ]
    gone = [
        rule(
            id=f"expire-{_words(prefix)}",
            status="Enabled",
            filter=within(prefix=prefix),
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
        )
        for prefix, days in (args.expiring or {}).items()
    ]
    return [leftovers, *tiers, *gone]


def _words(prefix: str) -> str:
    return prefix.strip("/").replace("/", "-")
