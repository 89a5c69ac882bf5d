"""What holds for every component: literal token, children of its own, options that stay with it, outputs registered."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import pytest
from pulumi import ResourceOptions

from components import policies
from components.account import current_account
from components.artifact_bucket import ArtifactBucket, ArtifactBucketArgs
from components.assumed_role import AssumedRole, AssumedRoleArgs
from components.async_failures import AsyncFailures, AsyncFailuresArgs
from components.bucket_rules import BucketRules, BucketRulesArgs
from components.bucket_trigger import BucketConsumer, BucketTrigger, BucketTriggerArgs
from components.container_image import ContainerImage, ContainerImageArgs
from components.function import LambdaFunction
from components.function_url import FunctionUrl, FunctionUrlArgs, FunctionUrlKeys
from components.http_trigger import HttpKeys, HttpTrigger, HttpTriggerArgs
from components.layer import PythonLayer
from components.private_bucket import PrivateBucket, PrivateBucketArgs
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs
from components.table import Key, Table, TableArgs
from components.topic_trigger import TopicTrigger, TopicTriggerArgs
from layer_builds.plan import REPOSITORY
from tests.components import parts
from tests.harness import ACCOUNT, REGION, strings_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Build
    from tests.layers import FixtureLayers

BUCKET = "arn:aws:s3:::uploads"
FUNCTION_ARN = re.compile(r"arn:aws:lambda:[a-z0-9-]+:\d{12}:function:[^/\"]+")
BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"


def _bucket_trigger(opts: ResourceOptions) -> BucketTrigger:
    consumers = [BucketConsumer(target=parts.function())]
    args = BucketTriggerArgs(bucket="uploads", bucket_arn=BUCKET, account_id=ACCOUNT, consumers=consumers)
    return BucketTrigger("thing", args, opts)


def _topic_trigger(opts: ResourceOptions) -> TopicTrigger:
    args = TopicTriggerArgs(function=parts.function(), account_id=ACCOUNT, source_bucket_arns=[BUCKET])
    return TopicTrigger("thing", args, opts)


def _function_url(opts: ResourceOptions) -> FunctionUrl:
    keys = FunctionUrlKeys(auth="NONE", reason="a test")
    return FunctionUrl("thing", FunctionUrlArgs(function=parts.function(), keys=keys), opts)


def _image(opts: ResourceOptions) -> ContainerImage:
    package = parts.package(kind="image")
    return ContainerImage(
        "thing", ContainerImageArgs(package=package, base=BASE, account_id=ACCOUNT, region=REGION), opts
    )


def _http_trigger(opts: ResourceOptions) -> HttpTrigger:
    return HttpTrigger("thing", HttpTriggerArgs(function=parts.function(), keys=HttpKeys(), routes=["GET /x"]), opts)


def _assumed_role(opts: ResourceOptions) -> AssumedRole:
    statements = [policies.send_traces()]
    args = AssumedRoleArgs(function="worker", statements=statements, account=current_account())
    return AssumedRole("thing", args, opts)


COMPONENTS: dict[str, Callable[[ResourceOptions], object]] = {
    "ArtifactBucket": lambda opts: ArtifactBucket("thing", ArtifactBucketArgs(), opts),
    "AssumedRole": _assumed_role,
    "AsyncFailures": lambda opts: AsyncFailures("thing", AsyncFailuresArgs(function=parts.function()), opts),
    "BucketRules": lambda opts: BucketRules("thing", BucketRulesArgs(bucket="b", origins=["https://x.example"]), opts),
    "BucketTrigger": _bucket_trigger,
    "ContainerImage": _image,
    "FunctionUrl": _function_url,
    "HttpTrigger": _http_trigger,
    "LambdaFunction": lambda opts: LambdaFunction("thing", parts.function_args(), opts),
    "PrivateBucket": lambda opts: PrivateBucket("thing", PrivateBucketArgs(), opts),
    "QueueTrigger": lambda opts: QueueTrigger(
        "thing", QueueTriggerArgs(function=parts.function(), keys=QueueKeys()), opts
    ),
    "Table": lambda opts: Table("thing", TableArgs(key=Key(hash="id")), opts),
    "TopicTrigger": _topic_trigger,
}


@pytest.fixture
def components(layers: FixtureLayers) -> dict[str, Callable[[ResourceOptions], object]]:
    spec = layers.add("tools")
    return {**COMPONENTS, "PythonLayer": lambda opts: PythonLayer("thing", parts.layer_args(spec), opts)}


@pytest.mark.parametrize("name", [*COMPONENTS, "PythonLayer"])
def test_options_stay_with_the_component_and_its_children_are_its_own(
    build: Build, components: dict[str, Callable[[ResourceOptions], object]], name: str
) -> None:
    program = build(lambda: components[name](parts.leaky()))
    component = program.one(f"strata:components:{name}", "thing")
    parts.assert_nothing_leaked(program, component)
    children = [each for each in program.resources if each.parent == component.urn]
    assert all(child.name.startswith("thing-") or child.type.endswith("RolePolicy") for child in children)
    assert component.urn in program.outputs, "register_outputs was not called"
    assert program.outputs[component.urn], "a component says what it made"


@pytest.mark.parametrize("name", [*COMPONENTS, "PythonLayer"])
def test_nothing_invokes_what_is_being_worked_on(
    build: Build, components: dict[str, Callable[[ResourceOptions], object]], name: str
) -> None:
    """A published version, through the alias: in ARNs as in permissions and failure configs."""
    program = build(lambda: components[name](ResourceOptions()))
    texts = list(strings_in([each.inputs for each in program.resources]))
    assert "$LATEST" not in texts
    assert [arn for text in texts for arn in FUNCTION_ARN.findall(text) if not arn.endswith(":live")] == []
    for each in [*program.all("Permission"), *program.all("FunctionEventInvokeConfig")]:
        assert each.inputs["qualifier"] == "live"
    for permission in program.all("Permission"):
        principal = permission.inputs["principal"]
        assert principal == "*" or permission.inputs["sourceArn"].startswith("arn:aws:")
        assert ("sourceAccount" in permission.inputs) == (principal == "s3.amazonaws.com")


def test_every_component_is_tried_here() -> None:
    declared = {
        match
        for path in (REPOSITORY / "components").glob("*.py")
        for match in re.findall(r"class (\w+)\(pulumi\.ComponentResource\)", path.read_text(encoding="utf-8"))
    }
    assert declared == {*COMPONENTS, "PythonLayer"}


@pytest.mark.parametrize("path", sorted((REPOSITORY / "components").rglob("*.py")), ids=lambda path: path.stem)
def test_a_component_s_token_is_literal_and_its_outputs_come_last(path: Any) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ClassDef) or "ComponentResource" not in ast.unparse(node):
            continue
        init = next(each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
        statements = [each for each in init.body if not isinstance(each, ast.Expr) or "super()" in ast.unparse(each)]
        assert f"super().__init__('strata:components:{node.name}', name, None, opts)" in ast.unparse(statements[0])
        assert "self.register_outputs(" in ast.unparse(init.body[-1])
        assert len(ast.unparse(init).splitlines()) <= 40
