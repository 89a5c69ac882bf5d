"""The function on its real, built layer: what the layer leaves out must not be missed, and nothing else may help."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.extract_text import handler
from lambdas.shared.contract import ENCODINGS
from tests.lambdas.layered import copy_package, run_layered, unpack_layers
from tests.pdfs import table_pdf, text_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lambdas.extract_text.conftest import Function

CELLS = [["Hive", "Honey"], ["Lime Tree", "12 kg"], ["Clover Field", "7 kg"]]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_layers(tmp_path_factory.mktemp("opt"), "extract-text")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("task"), "extract_text")


def _run(opt: Path, task: Path, event: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    names = ("RESULT_BUCKET", "EMBEDDING_QUEUE_URL", "DEAD_LETTER_QUEUE_URL")
    variables = {name: value for name, value in os.environ.items() if name.startswith("AWS_") or name in names}
    return run_layered("extract_text", opt, task, event, variables | {"TIKTOKEN_CACHE_DIR": str(opt / "tiktoken")})


def test_documents_go_through_with_nothing_but_the_layer(function: Function, opt: Path, task: Path) -> None:
    records = [
        function.put("encrypted.pdf", text_pdf(["It opens without a password."], password="", owner="owner")),
        function.put("table.pdf", table_pdf(CELLS)),
        function.put("broken.pdf", b"%PDF-1.7\nnothing"),
    ]
    outcome, log = _run(opt, task, {"Records": records})
    answers = outcome["answer"]["documents"]
    assert [answer["status"] for answer in answers] == ["ok", "ok", "error"]
    assert answers[2]["error"]["code"] == "damaged"
    encrypted, table = function.result("encrypted.pdf"), function.result("table.pdf")
    assert encrypted is not None
    assert table is not None
    assert encrypted["pages"][0]["text"] == "It opens without a password."
    assert table["pages"][0]["tables"] == [CELLS]
    assert len(function.sent()) == 2
    assert len(function.failed()) == 1

    assert outcome["health"]["problems"] == []
    assert outcome["health"]["versions"].keys() == handler.DISTRIBUTIONS.keys()
    done = [line for line in log if line.get("message") == "document done"]
    assert [line["source"]["key"] for line in done] == ["encrypted.pdf", "table.pdf"]
    assert {line["service"] for line in done} == {"strata-test-extract-text"}
    (metrics,) = [line for line in log if "_aws" in line]
    assert metrics["DocumentsProcessed"] == [1.0, 1.0]
    assert metrics["DocumentsFailed"] == [1.0]
    assert "without a password" not in json.dumps(log), "no text of a document in the log"


def test_the_vocabularies_of_the_layer_are_where_the_function_looks(opt: Path) -> None:
    assert {file.name for file in (opt / "tiktoken").iterdir()} == set(ENCODINGS.values())
