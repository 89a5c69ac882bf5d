"""docs/deploy.md: its commands exist. That they work is for the engine tests, which run them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from layer_builds.command import name_of
from ops.cli import parser
from ops.commands import COMMANDS
from tests.ops.deploy_doc import DOCUMENT, blocks, script

if TYPE_CHECKING:
    from sandbox.account import Account


def ops_commands() -> list[list[str]]:
    """Every `python -m ops …` of the document's blocks and `ops …` of its table."""
    text = "\n".join(one.text.replace("\\\n", " ") for one in blocks())
    lines = re.findall(r"python -m ops ([^|<>\n]+)", text)
    lines += [line for line in re.findall(r"`ops ([^`]+)`", DOCUMENT.read_text()) if "--" in line]
    return [shlex.split(line.replace("[", "").replace("]", "")) for line in lines]


def test_the_document_has_blocks_to_run_from_init_to_destroy() -> None:
    text = script()
    order = [
        "pulumi stack init",
        "ops doctor",
        "ops deploy",
        "ops secret set",
        "ops smoke",
        "ops send",
        "pulumi destroy",
    ]
    assert sorted(order, key=text.index) == order


def test_what_is_run_is_bash() -> None:
    for one in [script(), *(block.text for block in blocks())]:
        done = subprocess.run(["bash", "-n"], input=one, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


WITHOUT_STACK = {"package", "supabase"}
"""A package is the repository's, and a database is not a stack's."""


@pytest.mark.parametrize("arguments", ops_commands(), ids=" ".join)
def test_every_ops_command_is_one(arguments: list[str]) -> None:
    asked = parser().parse_args(arguments)
    assert arguments[0] in WITHOUT_STACK or asked.stack


def test_every_command_is_in_the_document() -> None:
    used = {arguments[0] for arguments in ops_commands()}
    assert used == set(map(name_of, COMMANDS))


def test_no_block_holds_a_key_and_none_puts_one_into_argv() -> None:
    for one in blocks():
        assert not re.search(r"sk-[A-Za-z0-9]|pcsk_", one.text)
        assert not re.search(r"secret set[^\n]*\$", one.text.replace('"$STACK"', ""))


def test_every_variable_that_is_used_is_set_before_or_named_as_given() -> None:
    given = {"OPENAI_API_KEY", "PINECONE_API_KEY", "PINECONE_INDEX_HOST", "STATE_BUCKET", "SECRETS_KEY_ARN"}
    known = set(given)
    for one in blocks():
        if one.run:
            known |= set(re.findall(r"export (\w+)=", one.text))
            used = set(re.findall(r"\$\{?([A-Z_]+)", one.text))
            assert used <= known


def test_the_last_step_deletes_a_bucket_of_many_versions(account: Account) -> None:
    """`aws s3 rb --force` leaves versions and delete markers, and then fails. The other lines need AWS itself."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket="old-states", CreateBucketConfiguration={"LocationConstraint": account.region})
    s3.put_bucket_versioning(Bucket="old-states", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="old-states", Key=".pulumi/stacks/strata/dev.json", Body=body)
    s3.delete_object(Bucket="old-states", Key=".pulumi/stacks/strata/dev.json")
    assert len(s3.list_object_versions(Bucket="old-states")["Versions"]) == 2
    without_aws = [line for line in blocks()[-1].text.splitlines() if not line.startswith("aws ")]
    variables = {
        **os.environ,
        **account.environment(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_REGION": account.region,
        "STATE_BUCKET": "old-states",
    }
    commands = "\n".join(["set -euo pipefail", *without_aws])
    done = subprocess.run(["bash"], input=commands, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "old-states" not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
