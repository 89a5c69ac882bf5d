"""docs/deploy.md, run as it is written: state in a bucket, secrets under a key, from nothing to a vector and back."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest
import yaml

from components.systems import SYSTEMS
from tests.engine.canary import ArgumentWatch
from tests.engine.inventory import Inventory, inventory
from tests.engine.machine import embedding_config
from tests.engine.story import canary
from tests.ops.deploy_doc import script
from tests.ops.test_bootstrap import statements

if TYPE_CHECKING:
    from sandbox.account import Account
    from tests.engine.pulumi_cli import Checkout, Run
    from tests.engine.world import World

STACK = "doc"
BUCKET = "strata-doc-state"


@dataclass(frozen=True, slots=True)
class Walk:
    """What came of following the page."""

    run: Run
    keys: dict[str, str]
    before: Inventory
    after: Inventory
    command_lines: bytes
    states: set[str]
    """Every key that was ever written to the bucket of the state."""


@pytest.fixture(scope="module")
def walk(checkout: Checkout, world: World) -> Walk:
    """Every block that is marked to be run, in one shell, with what step 2 of the page would have made."""
    account = checkout.account
    account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": account.region})
    account.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    key = account.client("kms").create_key()["KeyMetadata"]["Arn"]
    keys = {"OPENAI_API_KEY": canary(), "PINECONE_API_KEY": canary()}
    world.openai.keys.rotate(keys["OPENAI_API_KEY"])
    world.pinecone.keys.rotate(keys["PINECONE_API_KEY"])
    write_config(checkout, world)
    variables = {
        **keys,
        "STACK": STACK,
        "AWS_REGION": account.region,
        "STATE_BUCKET": BUCKET,
        "SECRETS_KEY_ARN": key,
        "PINECONE_INDEX_HOST": world.pinecone_url,
    }
    before = inventory(account)
    with ArgumentWatch() as watch:
        run = checkout.run("bash", "-c", script(), environment=variables)
    return Walk(run, keys, before, inventory(account), b"\n".join(watch.seen), keys_ever_written(account))


def keys_ever_written(account: Account) -> set[str]:
    """The bucket is versioned, so that what was deleted is known too."""
    pages = account.client("s3").get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    return {str(one["Key"]) for page in pages for one in page.get("Versions", [])}


OTHERS = {f"strata:{name}" for name in SYSTEMS if name != "embedding"}
"""The page's commands set the embedding system up."""


def write_config(checkout: Checkout, world: World) -> None:
    """`Pulumi.dev.yaml`, with this machine and the emulator in it; the page's own commands add the rest."""
    config = yaml.safe_load((checkout.path / "Pulumi.dev.yaml").read_text())["config"]
    here = dict(embedding_config(world.host.url, world.openai_url, world.pinecone_url))
    del here["pinecone_index_host"]
    small = {"openai_embedding_model": "text-embedding-3-small", "dimensions": 384}
    config["strata:embedding"] = {**config["strata:embedding"], **here, **small}
    config = {key: value for key, value in config.items() if key not in OTHERS}
    config |= {**checkout.provider(), "strata:layers": {"compiler": "running"}}
    del config["aws:region"]
    (checkout.path / f"Pulumi.{STACK}.yaml").write_text(yaml.safe_dump({"config": config}))


def test_every_command_of_the_page_works(walk: Walk) -> None:
    walk.run.ok()


def test_the_message_became_a_vector(walk: Walk, world: World) -> None:
    walk.run.ok()
    assert world.pinecone.store.counts().get("dev") == 1


def test_nothing_is_left_but_what_was_there_before(walk: Walk) -> None:
    walk.run.ok()
    assert sorted(walk.after) == sorted(walk.before)


def test_the_state_is_written_where_the_deploy_role_may_write(walk: Walk) -> None:
    walk.run.ok()
    [own] = [one for one in statements("DeployRole") if one["Sid"] == "ReadAndWriteOwnState"]
    patterns = [one["Sub"][0].partition("${Bucket}/")[2].replace("${StackName}", STACK) for one in own["Resource"]]
    # The first `pulumi stack init` writes this one; it is made by the person who sets the stack up.
    written = walk.states - {".pulumi/meta.yaml"}
    assert {key.split("/")[1] for key in written} >= {"stacks", "history", "locks"}
    assert not [key for key in written if not any(fnmatchcase(key, pattern) for pattern in patterns)]


def test_no_key_was_printed_or_in_a_command_line(walk: Walk) -> None:
    walk.run.ok()
    assert b"pulumi" in walk.command_lines
    for value in walk.keys.values():
        assert value.encode() not in walk.command_lines
        assert value not in walk.run.output
