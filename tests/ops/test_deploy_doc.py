"""docs/deploy.md: its commands exist. That they work is for the engine tests, which run them."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest

from ops.cli import RUN, parser
from tests.ops.deploy_doc import DOCUMENT, blocks, script


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
        "pulumi up",
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


@pytest.mark.parametrize("arguments", ops_commands(), ids=" ".join)
def test_every_ops_command_is_one(arguments: list[str]) -> None:
    assert parser().parse_args(arguments).stack


def test_every_command_is_in_the_document() -> None:
    used = {arguments[0] for arguments in ops_commands()}
    assert used == set(RUN)


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
