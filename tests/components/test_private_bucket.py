"""PrivateBucket: closed before anybody learns its name, and kept while it holds objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi

from components.private_bucket import PrivateBucket, PrivateBucketArgs
from tests.components import parts
from tests.harness import REGION

if TYPE_CHECKING:
    from tests.harness import Build

KEY = f"arn:aws:kms:{REGION}:123456789012:key/1234"


def test_it_is_private_encrypted_and_tls_only(build: Build) -> None:
    program = build(lambda: PrivateBucket("mail", PrivateBucketArgs()))
    owner = program.one("PrivateBucket")
    assert program.children(owner) == {"mail-bucket", "mail-private", "mail-encryption", "mail-tls-only"}
    block = program.one("BucketPublicAccessBlock").inputs
    assert [block.pop(key) for key in list(block) if key != "bucket"] == [True] * 4
    (rule,) = program.one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    (statement,) = json.loads(program.one("BucketPolicy").inputs["policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_a_customer_key_encrypts_its_objects(build: Build) -> None:
    program = build(lambda: PrivateBucket("mail", PrivateBucketArgs(kms_key_arn=KEY)))
    (rule,) = program.one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY}
    assert rule["bucketKeyEnabled"] is True


def test_objects_are_not_deleted_with_the_stack(build: Build) -> None:
    assert "forceDestroy" not in build(lambda: PrivateBucket("mail", PrivateBucketArgs())).one("Bucket").inputs


def test_others_learn_its_name_when_it_is_closed_and_encrypted(build: Build) -> None:
    def body() -> None:
        pulumi.export("name", PrivateBucket("mail", PrivateBucketArgs()).bucket_name)

    program = build(body)
    assert program.exports["name"] == "strata-test-mail-bucket-0a1b2c"
    assert {"mail-private", "mail-encryption"} <= program.behind(program.one("BucketPolicy"))


def test_its_options_do_not_reach_its_children(build: Build) -> None:
    program = build(lambda: PrivateBucket("mail", PrivateBucketArgs(), parts.leaky()))
    parts.assert_nothing_leaked(program, program.one("PrivateBucket"))
