"""docs/deploy.md, run as it is written: state in a bucket, secrets under a key, from nothing to a vector and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.engine.canary import ArgumentWatch
from tests.engine.inventory import Inventory, inventory
from tests.engine.machine import embedding_config
from tests.engine.story import canary
from tests.ops.deploy_doc import script

if TYPE_CHECKING:
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


@pytest.fixture(scope="module")
def walk(checkout: Checkout, world: World) -> Walk:
    """Every block that is marked to be run, in one shell, with what step 2 of the page would have made."""
    account = checkout.account
    account.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": account.region})
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
    return Walk(run, keys, before, inventory(account), b"\n".join(watch.seen))


def write_config(checkout: Checkout, world: World) -> None:
    """`Pulumi.dev.yaml`, with this machine and the emulator in it; the page's own commands add the rest."""
    config = yaml.safe_load((checkout.path / "Pulumi.dev.yaml").read_text())["config"]
    here = dict(embedding_config(world.host.url, world.openai_url, world.pinecone_url))
    del here["pinecone_index_host"]
    small = {"openai_embedding_model": "text-embedding-3-small", "dimensions": 384}
    config["strata:embedding"] = {**config["strata:embedding"], **here, **small}
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


def test_no_key_was_printed_or_in_a_command_line(walk: Walk) -> None:
    walk.run.ok()
    assert b"pulumi" in walk.command_lines
    for value in walk.keys.values():
        assert value.encode() not in walk.command_lines
        assert value not in walk.run.output
