"""The extract_text system as the program deploys it: what its role may do, what it is told, what its config may say."""

from __future__ import annotations

import re
from typing import Any

import pulumi
import pytest

from lambdas.extract_text import contract
from lambdas.extract_text.settings import Settings
from layer_builds.plan import RUNTIMES
from tests.harness import Build
from tests.program.conftest import STACKS, Runner, statements_of, variables_of

NAME, FUNCTION = "extract_text", "extract-text"
SECTION = f"strata:{NAME}"


@pytest.fixture
def run_alone() -> Runner:
    """Runs the program with this one system."""
    return Runner(Build(), NAME)


def test_a_prefix_is_no_pattern_in_the_functions_rights(run_alone: Runner) -> None:
    program = run_alone("dev", {"strata:extract_text": {"bucket": {"prefix": "${x} what?/"}}})
    resources = [resource for each in statements_of(program, FUNCTION).values() for resource in each["Resource"]]
    assert [one for one in resources if one.endswith("/${$}{x} what${?}/*")]
    (told,) = program.all("BucketNotification")[0].inputs["lambdaFunctions"]
    assert told["filterPrefix"] == "%24%7Bx%7D+what%3F/"


@pytest.mark.parametrize("stack", STACKS)
def test_its_role_reads_documents_keeps_results_and_sends_to_two_queues(run: Runner, stack: str) -> None:
    program = run(stack)
    found = statements_of(program, FUNCTION)
    own = {"ReadDocuments", "FindDocuments", "KeepResults", "FindResults", "SendMessages", "SendFailures"}
    assert set(found) == {"WriteLogs", "SendTraces", *own}
    prefix = "incoming/" if stack == "prod" else ""
    (documents,) = found["ReadDocuments"]["Resource"]
    assert documents.endswith(f"/{prefix}*")
    assert found["ReadDocuments"]["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    (results,) = found["KeepResults"]["Resource"]
    assert results.endswith("/extracted/*")
    assert found["SendMessages"]["Resource"] == [program.exports["functions"]["embedding"]["queue_arn"]]
    assert found["SendFailures"]["Resource"] == [program.exports["functions"][NAME]["async_dlq_arn"]]


def test_it_is_told_where_results_chunks_and_failures_go(run: Runner) -> None:
    program = run("dev")
    told = variables_of(program, FUNCTION)
    outputs = program.exports["functions"]
    assert told[contract.RESULT_BUCKET] == program.exports["buckets"]["results"]
    assert told[contract.EMBEDDING_QUEUE_URL] == outputs["embedding"]["queue_url"]
    assert told[contract.DEAD_LETTER_QUEUE_URL] == outputs[NAME]["async_dlq_url"]
    assert told[contract.CHUNK_TOKENS] == str(contract.CHUNK_TOKENS.default)
    assert told["TIKTOKEN_CACHE_DIR"] == "/opt/tiktoken"
    given = {name: value for name, value in told.items() if "URL" not in name and name != contract.RESULT_BUCKET}
    assert Settings.load({**given, contract.RESULT_BUCKET: "results"}).max_pages == 500


def test_without_the_embedding_system_chunks_stay_in_the_results(run_alone: Runner) -> None:
    program = run_alone("dev")
    assert contract.EMBEDDING_QUEUE_URL not in variables_of(program, FUNCTION)
    assert "SendMessages" not in statements_of(program, FUNCTION)


def test_documents_that_come_and_go_reach_the_alias(run_alone: Runner) -> None:
    (notification,) = run_alone("dev").all("BucketNotification")
    (told,) = notification.inputs["lambdaFunctions"]
    assert told["events"] == ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    assert told["lambdaFunctionArn"].endswith(":live")


def test_a_customer_key_of_the_buckets_can_be_used_through_s3_alone(run_alone: Runner) -> None:
    arn = "arn:aws:kms:eu-central-1:123456789012:key/0123"
    found = statements_of(run_alone("dev", {"strata:secrets": {"kms_key_arn": arn}}), FUNCTION)["DecryptObjects"]
    assert found["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert found["Condition"]["StringEquals"]["kms:ViaService"].startswith("s3.")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"result_bucket": "documents"}, "which prefix '', suffix '' takes in: each would trigger the next"),
        ({"chunk_overlap_tokens": 300}, "is 300, and chunks have 512 tokens"),
        ({"max_file_bytes": 2**40}, "is 1,099,511,627,776: ephemeral_storage_mb has room for 536,870,912"),
        ({"memory_mb": 512}, "and memory_mb for 33,554,432"),
    ],
)
def test_what_could_not_work_is_refused(run_alone: Runner, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(pulumi.RunError, match=re.escape(message)):
        run_alone("dev", {SECTION: changes})


def test_results_may_lie_beside_documents_outside_their_filter(run_alone: Runner) -> None:
    run_alone("dev", {SECTION: {"result_bucket": "documents", "bucket": {"prefix": "incoming/"}}})


BASE = f"public.ecr.aws/lambda/python@sha256:{'0' * 64}"
AS_IMAGE: dict[str, Any] = {
    SECTION: {"package": "image"},
    "strata:images": {"bases": dict.fromkeys(RUNTIMES, BASE)},
}


@pytest.mark.parametrize("stack", STACKS)
def test_as_an_image_it_is_the_same_function_without_a_layer(run_alone: Runner, stack: str) -> None:
    as_zip, as_image = run_alone(stack), run_alone(stack, AS_IMAGE)
    zipped, image = (program.one("Function", "extract-text-function").inputs for program in (as_zip, as_image))
    shipped = {"code", "handler", "layers", "runtime"}, {"imageConfig", "imageUri", "packageType"}
    assert (zipped.keys() - image.keys(), image.keys() - zipped.keys()) == shipped
    assert {key: zipped[key] for key in zipped.keys() & image.keys()} == {
        key: image[key] for key in zipped.keys() & image.keys()
    }
    assert image["imageConfig"] == {"commands": [zipped["handler"]]}
    assert not as_image.all("LayerVersion")
    assert statements_of(as_image, FUNCTION) == statements_of(as_zip, FUNCTION)
    create = as_image.one("Command").inputs["create"]
    assert " --layer extract-text " in create
    assert (" --compiler running " in create) == (stack == "local")


def test_as_an_image_it_needs_a_base_by_its_digest(run_alone: Runner) -> None:
    with pytest.raises(pulumi.RunError, match=r"strata:images\.bases has no python3\.13: .* `python -m ops images pin"):
        run_alone("dev", {SECTION: {"package": "image"}})
    with pytest.raises(pulumi.RunError, match="package"):
        run_alone("dev", {SECTION: {"package": "container"}})
