"""A program under the in-process monitor: what it makes, what it refuses, and how it says so."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds.plan import REPOSITORY
from sandbox.deploy import Deployer, DeploymentError, Event
from sandbox.stack import Stack, load_stack, merged
from sandbox.workspace import SandboxError, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sandbox.hosted import Hosted

pytestmark = pytest.mark.xdist_group("lambda-host")

STACK = Stack(
    "strata", "test", {"strata:wish": {"text": "x"}}, "${project}-${stack}-${name}-${hex(6)}", {"stack": "test"}
)
Run = "Callable[[str], tuple[dict[str, Any], list[Event]]]"


@pytest.fixture
def run(hosted: Hosted, tmp_path: Path) -> Iterator[Callable[[str], tuple[dict[str, Any], list[Event]]]]:
    """Deploy a program given as text; its outputs and what was heard."""
    with Workspace("tests-deploy") as workspace:

        def deployed(text: str) -> tuple[dict[str, Any], list[Event]]:
            program = tmp_path / "__main__.py"
            program.write_text("import pulumi, pulumi_aws as aws, pulumi_command as command\n" + textwrap.dedent(text))
            heard: list[Event] = []
            with Deployer(workspace) as deployer:
                return deployer.run(hosted.account, STACK, heard.append, program), heard

        yield deployed


def test_a_program_is_deployed_with_its_names_tags_secrets_commands_and_outputs(run: Any, hosted: Hosted) -> None:
    outputs, heard = run(
        """
        import json
        config = pulumi.Config("strata").require_object("wish")
        dead = aws.sqs.Queue("dead")
        redrive = dead.arn.apply(lambda arn: json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5}))
        queue = aws.sqs.Queue("queue", redrive_policy=redrive)
        hidden = aws.secretsmanager.Secret("hidden", description=pulumi.Output.secret("s3cret"))
        say = "echo working >&2; pwd; echo $AWS_ENDPOINT_URL"
        said = command.local.Command("say", create=say, triggers=[queue.url])
        pulumi.export("queue", {"url": queue.url, "arn": queue.arn})
        pulumi.export("hidden", hidden.arn)
        pulumi.export("said", said.stdout)
        pulumi.export("account", aws.get_caller_identity_output().account_id)
        pulumi.export("region", aws.get_region_output().region)
        pulumi.export("text", config["text"])
        """
    )
    assert outputs["text"] == "x"
    assert (outputs["account"], outputs["region"]) == (hosted.account.account, hosted.account.region)
    assert outputs["queue"]["arn"].split(":")[5].startswith("strata-test-queue-")
    folder, endpoint = outputs["said"].splitlines()
    assert endpoint == hosted.account.endpoint
    assert folder != str(REPOSITORY), "a command runs in the program's folder"
    found = hosted.account.client("secretsmanager").describe_secret(SecretId=outputs["hidden"])
    assert found["Description"] == "s3cret", "a secret input reaches the API as its plain value"
    assert hosted.account.client("sqs").list_queue_tags(QueueUrl=outputs["queue"]["url"])["Tags"] == {"stack": "test"}
    created = [event.details["name"] for event in heard if event.kind == "created"]
    assert created.index("dead") < created.index("queue") < created.index("say"), "in the order of dependencies"
    assert [event.details["line"] for event in heard if event.kind == "progress"] == ["working"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ('aws.route53.Zone("z", name="x.org")', r"no row for the resource type aws:route53/zone:Zone \('z'\)"),
        ('aws.sqs.Queue("q", name_prefix="x")', r"does not model namePrefix of aws:sqs/queue:Queue \('q'\)"),
        ("aws.get_availability_zones()", r"cannot answer aws:index/getAvailabilityZones"),
        ('command.local.Command("c", create="echo broken pipe >&2; exit 3")', r"c: `.*` failed \(3\):\nbroken pipe"),
        ('raise pulumi.RunError("three keys are wrong")', r"^three keys are wrong$"),
        ("1 / 0", r"ZeroDivisionError"),
        ('aws.iam.RolePolicy("p", role="none", policy="{}")', r"aws:iam/rolePolicy:RolePolicy 'p': .*NoSuchEntity"),
    ],
)
def test_what_cannot_be_deployed_is_an_error_that_says_what(run: Any, program: str, said: str) -> None:
    with pytest.raises(DeploymentError, match=said):
        run(program)


def test_a_stacks_files_are_read_as_pulumi_reads_them(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text(
        "name: p\nruntime: python\nconfig: {'pulumi:autonaming': {value: {pattern: '${name}'}}}\n"
    )
    (tmp_path / "Pulumi.s.yaml").write_text(
        "config: {'aws:defaultTags': {tags: {a: b}}, 'p:x': {y: 1, z: {w: true}}, 'short': 7}\n"
    )
    stack = load_stack(tmp_path, "s").with_values({"p:x": {"z": {"v": "new"}}})
    assert (stack.project, stack.naming, dict(stack.default_tags)) == ("p", "${name}", {"a": "b"})
    assert json.loads(stack.texts()["p:x"]) == {"y": 1, "z": {"w": True, "v": "new"}}
    assert stack.texts()["p:short"] == "7"


def test_a_missing_stack_and_an_encrypted_value_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"Pulumi\.yaml is missing"):
        load_stack(tmp_path, "s")
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "Pulumi.s.yaml").write_text("config: {'p:key': {secure: abc}}\n")
    with pytest.raises(SandboxError, match="encrypted values"):
        load_stack(tmp_path, "s")


def test_laying_values_over_others_changes_neither() -> None:
    base, over = {"a": {"b": 1}, "c": 2}, {"a": {"d": 3}}
    assert merged(base, over) == {"a": {"b": 1, "d": 3}, "c": 2}
    assert base == {"a": {"b": 1}, "c": 2}
