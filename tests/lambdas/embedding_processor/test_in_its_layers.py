"""The function on its real, built layers: what they leave out must not be missed, and nothing else may help."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.embedding_processor import handler
from lambdas.embedding_processor.contract import LEAST_MEMORY_MB
from layer_builds.plan import MAX_UNZIPPED_BYTES, host_architecture
from tests.lambdas.embedding_processor.conftest import notification
from tests.lambdas.embedding_processor.test_files import HONEY, LONG
from tests.lambdas.layered import copy_package, run_layered, unpack_layers

if TYPE_CHECKING:
    from tests.lambdas.embedding_processor.conftest import Function

LAYERS = ("embedding-dependencies", "embedding-model")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        host_architecture() != "x86_64", reason="the layers are for x86_64: onnxruntime on Lambda's arm64"
    ),
]


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_layers(tmp_path_factory.mktemp("opt"), *LAYERS)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("task"), "embedding_processor")


def run(opt: Path, task: Path, event: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    names = ("SSM_PARAMETER_NAME", "DEAD_LETTER_QUEUE_URL")
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or name in names}
    own = {"MODEL_PATH": str(opt / "model"), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
    return run_layered("embedding_processor", opt, task, event, variables | own)


def test_files_go_through_with_nothing_but_the_layers(function: Function, opt: Path, task: Path) -> None:
    event = notification(function.put("a.txt", HONEY), function.put("long.txt", LONG), function.put("b.bin", b"\0\1\2"))
    outcome, log = run(opt, task, event)
    assert [answer["status"] for answer in outcome["answer"]["files"]] == ["ok", "ok", "refused"]
    assert len(function.rows("a.txt")) == 1
    assert len(function.rows("long.txt")) > 3
    assert len(function.failed()) == 1

    assert outcome["health"]["problems"] == [], "the model was loaded, and embedded, with no network"
    assert outcome["health"]["versions"].keys() == {*handler.DISTRIBUTIONS, *handler.BACKENDS["onnx"]}
    assert {line["service"] for line in log if "service" in line} == {"strata-test-embedding-processor"}
    assert [line["key"] for line in log if line.get("message") == "file done"] == [
        f"{function.bucket}/a.txt",
        f"{function.bucket}/long.txt",
    ]
    assert HONEY not in json.dumps(log)
    # With the model in it; the smallest function that the settings take has room for work.
    assert 60 < outcome["start_mb"] < LEAST_MEMORY_MB - 256, outcome["start_mb"]


def test_the_start_loads_no_more_than_it_needs(function: Function, opt: Path, task: Path) -> None:
    outcome, _ = run(opt, task, notification())
    packages = {Path(place).relative_to(opt / "python").parts[0] for place in outcome["places"] if str(opt) in place}
    assert {"onnxruntime", "numpy", "tokenizers", "supabase"} <= packages
    assert not packages & {"torch", "transformers", "sympy", "huggingface_hub", "onnx", "google"}


def test_both_layers_leave_room_in_what_lambda_takes(opt: Path) -> None:
    whole = sum(file.stat().st_size for file in opt.rglob("*") if file.is_file())
    assert whole < 0.8 * MAX_UNZIPPED_BYTES
