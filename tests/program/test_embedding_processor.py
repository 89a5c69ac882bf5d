"""The embedding_processor as the program deploys it: what its role may do, what it is told, what its config may say."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest

from lambdas.embedding_processor import contract
from lambdas.embedding_processor.settings import Settings
from tests.harness import Build
from tests.program.conftest import STACKS, Runner, statements_of, variables_of

NAME, FUNCTION = "embedding_processor", "embedding-processor"
SECTION = f"strata:{NAME}"
BASE = {"strata:images": {"bases": {"python3.13": f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"}}}


@pytest.fixture
def run_alone() -> Runner:
    """Runs the program with this one system."""
    return Runner(Build(), NAME)


@pytest.mark.parametrize("stack", STACKS)
def test_its_role_reads_texts_and_its_parameter_and_reports_failures(run: Runner, stack: str) -> None:
    program = run(stack)
    found = statements_of(program, FUNCTION)
    assert set(found) == {"WriteLogs", "SendTraces", "ReadTexts", "FindTexts", "ReadParameters", "SendFailures"}
    assert found["ReadTexts"]["Action"] == ["s3:GetObject"]
    assert found["FindTexts"]["Action"] == ["s3:ListBucket"]
    parameter = "/proofmark/supabase/config" + ("/dev" if stack == "dev" else "")
    (arn,) = found["ReadParameters"]["Resource"]
    assert arn.endswith(f":parameter{parameter}")
    assert found["SendFailures"]["Resource"] == [program.exports["functions"][NAME]["async_dlq_arn"]]


def test_each_bucket_is_read_under_its_own_prefix_only(run_alone: Runner) -> None:
    found = statements_of(run_alone("prod"), FUNCTION)
    assert [arn.partition("/")[2] for arn in found["ReadTexts"]["Resource"]] == ["articles/*", "*"]
    assert len(found["FindTexts"]["Resource"]) == 2


@pytest.mark.parametrize("stack", STACKS)
def test_the_function_is_told_where_its_parameter_is_and_so_is_ops(run: Runner, stack: str) -> None:
    program = run(stack)
    told = variables_of(program, FUNCTION)
    parameter = told[contract.SSM_PARAMETER_NAME]
    assert program.exports["functions"][NAME]["secrets"] == {contract.SUPABASE_CONFIG: parameter}
    assert Settings.load(told).parameter == parameter
    assert Settings.load(told).embedder == "onnx"
    assert told[contract.DEAD_LETTER_QUEUE_URL] == program.exports["functions"][NAME]["async_dlq_url"]
    assert not [each for each in program.all("Secret") if each.name.startswith("embedding-processor")]


def test_all_buckets_tell_one_topic_which_admits_them_before_they_do(run_alone: Runner) -> None:
    program = run_alone("prod")
    policy = program.one("TopicPolicy", "embedding-processor-topic-policy")
    (statement,) = json.loads(policy.inputs["policy"])["Statement"]
    notifications = program.all("BucketNotification")
    assert len(notifications) == len(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == 2
    for notification in notifications:
        (told,) = notification.inputs["topics"]
        assert told["events"] == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
        assert told["topicArn"] == policy.inputs["arn"]
        assert policy.urn in notification.dependencies
        assert not notification.inputs.get("lambdaFunctions")
    (subscription,) = program.all("TopicSubscription")
    assert subscription.inputs["endpoint"].endswith(":live")


def test_a_model_in_s3_takes_the_place_of_the_layer(run_alone: Runner) -> None:
    changes = {"model_uri": "s3://models/minilm.tar", "model_sha256": "a" * 64}
    program = run_alone("dev", {SECTION: changes})
    assert statements_of(program, FUNCTION)["FetchModel"]["Resource"] == ["arn:aws:s3:::models/minilm.tar"]
    assert set(program.exports["layers"]) == {"embedding-dependencies"}
    assert variables_of(program, FUNCTION)[contract.MODEL_URI] == "s3://models/minilm.tar"


def test_an_image_brings_the_model_and_no_layer(run_alone: Runner) -> None:
    program = run_alone("dev", {SECTION: {"package": "onnx-image"}, **BASE})
    function = program.one("Function", "embedding-processor-function").inputs
    assert function["packageType"] == "Image"
    assert not program.exports["layers"]


def test_an_image_with_torch_brings_the_weights_and_says_what_loads_them(run_alone: Runner) -> None:
    program = run_alone("dev", {SECTION: {"package": "torch-image", "architecture": "arm64"}, **BASE})
    function = program.one("Function", "embedding-processor-function").inputs
    assert (function["packageType"], function["architectures"]) == ("Image", ["arm64"])
    assert Settings.load(variables_of(program, FUNCTION)).embedder == "sentence-transformers"
    (command,) = [each.inputs["create"] for each in program.all("Command") if "publish-image" in each.inputs["create"]]
    assert "--layer embedding-torch --folder model=models/all-minilm-l6-v2-torch" in command
    assert not program.exports["layers"]


@pytest.mark.parametrize(
    ("package", "architecture", "model", "missing"),
    [
        ("torch-image", "arm64", "all-minilm-l6-v2", "model*.safetensors"),
        ("onnx-image", "x86_64", "all-minilm-l6-v2-torch", "model.onnx"),
    ],
)
def test_a_model_in_the_other_images_form_is_refused(
    run_alone: Runner, package: str, architecture: str, model: str, missing: str
) -> None:
    section = {"package": package, "architecture": architecture, "model": model}
    with pytest.raises(pulumi.RunError, match=re.escape(f"models/{model}/files.json lists no {missing}")):
        run_alone("dev", {SECTION: section, **BASE})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"package": "torch-image"}, "the index has torch with CUDA alone, 5.8 GB that Lambda cannot use. Set arm64"),
        (
            {"package": "torch-image", "architecture": "arm64", "memory_mb": 1024},
            "is 1024, and package is torch-image: loading torch takes up to 1,536. Raise it.",
        ),
        (
            {"package": "torch-image", "architecture": "arm64", "max_file_bytes": 20 * 1024 * 1024},
            "is 20,971,520: such a text takes about 3,",
        ),
        (
            {"package": "torch-image", "architecture": "arm64", "runtime": "python3.14"},
            "layer embedding-torch is not made for python3.14-arm64",
        ),
        ({"chunk_overlap_tokens": 200}, "is 200, and chunks have 256 tokens"),
        ({"architecture": "arm64"}, "is arm64: ONNX Runtime crashes on Lambda's arm64. Set x86_64."),
        ({"model_uri": "s3://models/x.tar"}, "model_uri is s3://models/x.tar, and model_sha256 is None"),
        ({"model_uri": "models/x.tar", "model_sha256": "a" * 64}, "it must be s3://bucket/key"),
        (
            {"package": "onnx-image", "model_uri": "s3://models/x", "model_sha256": "a" * 64},
            "which has its model inside",
        ),
        ({"ssm_parameter_name": "no spaces"}, "ssm_parameter_name"),
        ({"buckets": []}, "buckets"),
        ({"max_file_bytes": 10 * 1024 * 1024, "timeout_seconds": 60}, "and 3 tries of timeout_seconds 60 have 135"),
        (
            {"buckets": [{"name": "a"}, {"name": "a", "prefix": "in/"}]},
            "two consumers would be told of the same objects",
        ),
    ],
)
def test_what_could_not_work_is_refused(run_alone: Runner, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(message)):
        run_alone("dev", {SECTION: changes, **BASE})
