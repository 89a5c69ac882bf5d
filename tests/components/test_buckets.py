"""PrivateBucket and ArtifactBucket: closed before anybody learns their names; who may delete what is in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from components.artifact_bucket import ArtifactBucket, ArtifactBucketArgs
from components.bucket_rules import BucketRules, BucketRulesArgs
from components.private_bucket import PrivateBucket, PrivateBucketArgs
from components.shared_bucket import literal
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Build

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
NAME = "strata-test-mail-bucket-0a1b2c"

both = pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda key: PrivateBucket("mail", PrivateBucketArgs(kms_key_arn=key)), id="private"),
        pytest.param(lambda key: ArtifactBucket("mail", ArtifactBucketArgs(kms_key_arn=key)), id="artifacts"),
    ],
)


@both
def test_nobody_else_can_see_it(build: Build, make: Callable[[str | None], Any]) -> None:
    program = build(lambda: make(None))
    assert program.one("BucketPublicAccessBlock").inputs == {
        "bucket": NAME,
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    (statement,) = json.loads(program.one("BucketPolicy").inputs["policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert statement["Resource"] == [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"]


@both
def test_it_is_encrypted_with_s3_s_key_or_a_customer_s(build: Build, make: Callable[[str | None], Any]) -> None:
    (rule,) = build(lambda: make(None)).one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": False}
    (rule,) = build(lambda: make(KEY)).one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule == {
        "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY},
        "bucketKeyEnabled": True,
    }


@both
def test_others_learn_its_name_when_it_is_closed(build: Build, make: Callable[[str | None], Any]) -> None:
    """One after the other, too: S3 answers 409 to two changes of one bucket's access at the same time."""
    program = build(lambda: pulumi.export("name", make(None).bucket_name))
    assert program.exports["name"] == NAME
    assert {"mail-private", "mail-encryption"} <= program.behind(program.one("BucketPolicy"))


def test_uploads_outlive_the_stack_and_what_can_be_built_again_does_not(build: Build) -> None:
    assert build(lambda: PrivateBucket("mail", PrivateBucketArgs())).one("Bucket").inputs == {}
    program = build(lambda: ArtifactBucket("mail", ArtifactBucketArgs()))
    assert program.one("Bucket").inputs == {"forceDestroy": True}
    assert not program.all("BucketLifecycleConfiguration")
    assert not program.all("BucketVersioning")


def test_a_bucket_s_protections_go_with_it_and_the_bucket_may_refuse_to_go(build: Build) -> None:
    """They went first, and an S3 bucket that was not empty stayed without them."""
    program = build(lambda: PrivateBucket("mail", PrivateBucketArgs(protect=True)))
    kept = {resource.name for resource in program.resources if resource.request.retainOnDelete}
    assert kept == {"mail-private", "mail-encryption", "mail-tls-only"}
    assert [resource.name for resource in program.resources if resource.request.protect] == ["mail-bucket"]


def test_rules_of_a_bucket_about_nothing_are_refused(build: Build) -> None:
    for wrong in ({"": 1}, {"uploads/": 0}):
        with pytest.raises(ValueError, match="expiring names"):
            BucketRulesArgs(bucket="b", expiring=wrong)


def test_a_bucket_without_pages_of_its_own_answers_no_page(build: Build) -> None:
    program = build(lambda: BucketRules("mail", BucketRulesArgs(bucket=NAME)))
    assert not program.all("BucketCorsConfiguration")
    (rule,) = program.one("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["expiration"] == {"expiredObjectDeleteMarker": True}
    assert "mail-versioning" in program.behind(program.one("BucketLifecycleConfiguration"))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("in/", "in/"),
        ("what?/", "what${?}/"),
        ("${aws:username}/", "${$}{aws:username}/"),
        ("*", "${*}"),
        ("année = 1 & 2/", "année = 1 & 2/"),
    ],
)
def test_a_key_in_a_policy_is_itself_and_no_pattern(text: str, written: str) -> None:
    assert literal(text) == written
