"""The image processor as the program deploys it: what its role may do, and what its config may say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from lambdas.image_processor import contract
from tests.harness import Build
from tests.program.conftest import STACKS, Runner

if TYPE_CHECKING:
    from tests.harness import Program

NAME = "image_processor"
SECTION = f"strata:{NAME}"


@pytest.fixture
def run_images() -> Runner:
    """Runs the program with this one system."""
    return Runner(Build(), NAME)


def statements(program: Program) -> dict[str, dict[str, Any]]:
    """Of the function's only policy, by name."""
    (policy,) = program.all("RolePolicy")
    return {each["Sid"]: each for each in json.loads(policy.inputs["policy"])["Statement"]}


@pytest.mark.parametrize("stack", STACKS)
def test_it_reads_and_writes_under_one_prefix_and_may_do_nothing_else(run_images: Runner, stack: str) -> None:
    found = statements(run_images(stack))
    assert set(found) == {"WriteLogs", "SendTraces", "ReadObjects", "WriteImages"}
    assert found["ReadObjects"]["Action"] == ["s3:GetObject"]
    assert found["WriteImages"]["Action"] == ["s3:PutObject"]
    (objects,) = {resource for sid in ("ReadObjects", "WriteImages") for resource in found[sid]["Resource"]}
    assert objects.endswith("/work/*")


def test_without_a_place_in_s3_it_may_only_log(run_images: Runner) -> None:
    program = run_images("dev", {SECTION: {"files": None}})
    assert set(statements(program)) == {"WriteLogs", "SendTraces"}
    assert [each.name for each in program.all("Bucket")] == ["artifacts-bucket"]


def test_a_customer_key_of_the_bucket_can_be_used_through_s3_alone(run_images: Runner) -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/0123"
    found = statements(run_images("dev", {"strata:secrets": {"kms_key_arn": arn}}))["DecryptObjects"]
    assert found["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert found["Resource"] == [arn]
    assert found["Condition"]["StringEquals"]["kms:ViaService"].startswith("s3.")


def test_its_size_and_its_limits_are_the_contract_s(run_images: Runner) -> None:
    inputs = run_images("prod").one("Function").inputs
    assert (inputs["memorySize"], inputs["timeout"], inputs["reservedConcurrentExecutions"]) == (2_048, 300, 5)
    variables = inputs["environment"]["variables"]
    assert variables[contract.MAX_FILE_BYTES] == str(contract.MAX_FILE_BYTES.default)
    assert variables[contract.MAX_PIXELS] == str(contract.MAX_PIXELS.default)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"memory_mb": 1_024}, ["memory_mb", "is 1024", "1375", "max_pixels"]),
        ({"max_pixels": 100_000_000}, ["memory_mb", "is 2048", "2520"]),
        ({"max_file_bytes": 3}, ["max_file_bytes"]),
        ({"files": {"prefix": "work/", "folder": "x"}}, ["files.folder"]),
    ],
)
def test_config_that_could_not_work_is_refused(run_images: Runner, change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_images("dev", {SECTION: change})
    assert [word for word in words if word not in str(refused.value)] == []
