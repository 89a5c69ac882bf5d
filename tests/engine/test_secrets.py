"""No secret in plain text, anywhere: canaries are looked for after a run in which everything failed once."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.engine.canary import ArgumentWatch, account_contents, files, where
from tests.engine.inventory import inventory
from tests.engine.story import FIRST, canary

if TYPE_CHECKING:
    from tests.engine.pulumi_cli import Checkout
    from tests.engine.story import Story


def everything(story: Story) -> dict[str, bytes]:
    """All that the run left, by place."""
    story.world.host.flush_logs()
    account = story.checkout.account
    found = dict(account_contents(account, inventory(account)))
    for folder in (story.checkout.backend, story.world.workspace.path, story.checkout.path / ".build"):
        found.update(files(folder))
    for path in story.checkout.path.glob("Pulumi*.yaml"):
        found[path.name] = path.read_bytes()
    for number, run in enumerate(story.checkout.runs):
        name = f"run {number}: {' '.join(run.command[:4])}"
        found[f"{name} output"] = run.output.encode()
        found[f"{name} processes"] = "\n".join(run.calls).encode()
    found["state of first"] = story.checkout.pulumi("stack", "export", "--stack", FIRST).ok().stdout.encode()
    found["stack output"] = story.checkout.pulumi("stack", "output", "--json", "--stack", FIRST).ok().stdout.encode()
    found["command lines"] = b"\n".join(story.watch.seen)
    return found


@pytest.fixture(scope="module")
def places(story: Story) -> dict[str, bytes]:
    """Everything, after failures of all kinds."""
    keys, queue = story.with_secrets, story.function()["queue_url"]
    dlq = story.function()["dlq_url"]
    # Messages that cannot be done, and services that refuse, one of them quoting the key.
    story.world.send(queue, '{"text": 7}')
    story.world.until_left(dlq, 1)
    story.world.refuse_keys(keys["OPENAI_API_KEY"])
    story.world.send(queue, {"id": "refused", "text": "Nobody may read this."})
    story.world.until_left(dlq, 2)
    story.world.openai.faults.clear()
    story.world.pinecone.keys.rotate("another")
    story.world.send(queue, {"id": "homeless", "text": "Nobody may store this."})
    story.world.until_left(dlq, 3)
    story.world.pinecone.keys.rotate(keys["PINECONE_API_KEY"])
    # Commands that fail with a secret in their hands.
    story.ops("secret", "set", "embedding", "NO_SUCH_KEY", stdin=keys["OPENAI_API_KEY"]).failed()
    story.ops("secret", "set", "embedding", "OPENAI_API_KEY", stdin=f" {keys['OPENAI_API_KEY']}\n\n").failed()
    encrypted_where_it_may_not_be(story)
    story.ops("invoke", "embedding", "--event", '{"nothing": "known"}', "--logs").failed()
    # Deployments that fail: one that cannot read its secrets, and one that dies on the way.
    story.up(FIRST, environment={"PULUMI_CONFIG_PASSPHRASE": "another"}).failed()
    program = story.checkout.path / "__main__.py"
    text = program.read_text()
    program.write_text(f"{text}\nraise RuntimeError('the program dies')\n")
    died = story.up().failed()
    program.write_text(text)
    assert "the program dies" in died.output
    return everything(story)


def encrypted_where_it_may_not_be(story: Story) -> None:
    """An encrypted value in a section that becomes environment variables stops the preview."""
    file = story.checkout.path / f"Pulumi.{FIRST}.yaml"
    before = file.read_bytes()
    value = story.encrypted["tests:token"]
    path = ("--path", "strata:embedding.environment.TOKEN")
    story.checkout.pulumi("config", "set", "--secret", *path, "--stack", FIRST, stdin=value).ok()
    refused = story.preview().failed()
    file.write_bytes(before)
    assert "strata:embedding" in refused.output


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "PINECONE_API_KEY"])
def test_a_functions_secret_is_nowhere_in_plain_text(story: Story, places: dict[str, bytes], name: str) -> None:
    assert where(places, story.keys[name]) == []


@pytest.mark.parametrize("name", ["tests:token", "aws:secretKey"])
def test_an_encrypted_config_value_is_nowhere_in_plain_text(story: Story, places: dict[str, bytes], name: str) -> None:
    assert where(places, story.encrypted[name]) == []


def test_the_search_reads_state_logs_messages_objects_and_command_lines(places: dict[str, bytes]) -> None:
    assert b"strata:components:EmbeddingSystem" in places["state of first"]
    assert any(name.startswith("log ") and b"key refused" in content for name, content in places.items())
    assert any("embedding-dlq" in name and b"Nobody may store this" in content for name, content in places.items())
    assert any(name.startswith("s3://") and "!python/openai/" in name for name in places)
    assert b"pulumi-language-python" in places["command lines"]


@pytest.mark.usefixtures("tracing")
def test_the_search_reads_the_command_line_of_every_process_that_a_deployment_starts(places: dict[str, bytes]) -> None:
    assert any(b"layer_builds" in content for name, content in places.items() if name.endswith("processes"))


def test_control_a_planted_secret_is_found_in_every_place(story: Story) -> None:
    planted = canary()
    plant(story, planted)
    found = where(everything(story), planted)
    kinds = ("log ", "s3://", "http", "run ", "command lines", str(story.checkout.backend), "lambda/function/")
    assert {kind: any(name.startswith(kind) for name in found) for kind in kinds} == dict.fromkeys(kinds, True)


def plant(story: Story, value: str) -> None:
    """Leave a value in each kind of place, most of them not as plain text."""
    account, function = story.checkout.account, story.function()
    logs = account.client("logs")
    logs.create_log_stream(logGroupName=function["log_group"], logStreamName="planted")
    event = {"timestamp": int(time.time() * 1000), "message": f"Authorization: Bearer {value}"}
    logs.put_log_events(logGroupName=function["log_group"], logStreamName="planted", logEvents=[event])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("settings.json", f'{{"key": "{value}"}}' * 50)
    bucket = story.checkout.outputs(FIRST)["artifact_bucket"]
    account.client("s3").put_object(Bucket=bucket, Key="planted.zip", Body=archive.getvalue())
    account.client("sqs").send_message(QueueUrl=function["dlq_url"], MessageBody=value.encode().hex())
    (story.checkout.backend / "planted.json").write_text(value)
    story.checkout.run("/bin/sh", "-c", 'echo "Exception: $0" >&2; exit 1', value)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)", f"--token={value}"]):
        pass
    client = account.client("lambda")
    plain = client.get_function_configuration(FunctionName=function["name"])["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=function["name"], Environment={"Variables": {**plain, "TOKEN": value}}
    )


def test_control_the_watch_sees_a_process_that_lives_for_a_moment(checkout: Checkout) -> None:
    value = canary()
    with ArgumentWatch() as watch:
        checkout.run("/bin/sh", "-c", "sleep 0.2", value)
    assert any(value.encode() in line for line in watch.seen)
