"""ArtifactBucket: private, encrypted, TLS only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from components.artifact_bucket import ArtifactBucket, ArtifactBucketArgs
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from pulumi import ResourceOptions

    from tests.harness import Build, Program

NAME = "strata-test-artifacts-bucket-0a1b2c"


def bucket(build: Build, opts: ResourceOptions | None = None, kms_key_arn: str | None = None) -> Program:
    return build(lambda: ArtifactBucket("artifacts", ArtifactBucketArgs(kms_key_arn=kms_key_arn), opts))


def test_nobody_else_can_see_it(build: Build) -> None:
    program = bucket(build)
    assert program.one("BucketPublicAccessBlock").inputs == {
        "bucket": NAME,
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    (statement,) = json.loads(program.one("BucketPolicy").inputs["policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Resource"] == [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"]


def test_two_changes_of_its_access_are_never_made_at_once(build: Build) -> None:
    program = bucket(build)
    assert "artifacts-private" in program.behind(program.one("BucketPolicy"))


def test_it_is_encrypted_with_s3_s_key_or_a_customer_s(build: Build) -> None:
    (rule,) = bucket(build).one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": False}
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234"
    (rule,) = bucket(build, kms_key_arn=key).one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule == {
        "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key},
        "bucketKeyEnabled": True,
    }


def test_a_destroy_may_delete_what_can_be_built_again(build: Build) -> None:
    program = bucket(build)
    assert program.one("Bucket").inputs == {"forceDestroy": True}
    assert not program.all("BucketLifecycleConfiguration")
    assert not program.all("BucketVersioning")


def test_options_stay_with_the_component(build: Build) -> None:
    program = bucket(build, parts.leaky())
    parts.assert_nothing_leaked(program, program.one("ArtifactBucket"))
