"""The function on its real, built layer: what the layer leaves out must not be missed, and nothing else may help."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.extract_text import handler
from lambdas.shared.contract import ENCODINGS
from tests.encrypted import encrypted
from tests.lambdas.layered import copy_package, run_layered, run_script, search_path, unpack_layers
from tests.pdfs import table_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lambdas.extract_text.conftest import Function

LOCKED = [["It opens", "without a password"], ["AES", "256 bits"]]
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
        function.put("encrypted.pdf", encrypted(table_pdf(LOCKED), "AES 256", "")),
        function.put("table.pdf", table_pdf(CELLS)),
        function.put("broken.pdf", b"%PDF-1.7\nnothing"),
    ]
    outcome, log = _run(opt, task, {"Records": records})
    answers = outcome["answer"]["documents"]
    assert [answer["status"] for answer in answers] == ["ok", "ok", "error"]
    assert answers[2]["error"]["code"] == "damaged"
    locked, table = function.result("encrypted.pdf"), function.result("table.pdf")
    assert locked is not None
    assert table is not None
    assert locked["pages"][0]["tables"] == [LOCKED]
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


COUNTED = """
import json, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from lambdas.shared.byte_pairs import LONG_RUN
from lambdas.shared.tokens import Tokenizer
short = LONG_RUN - 1
long = ["a", "A", "漢", "=", "/", " ", "1", "a\u0301", "ไทย"]
units = [*long, "!" * short + "a", "!" * short + "\\n" * short, "a" * short + " ", " " * 99_999 + "a"]
found = []
for name in ("cl100k_base", "o200k_base"):
    tokenizer = Tokenizer(name)
    encoding, pairs = tokenizer._encoding, tokenizer._byte_pairs
    for unit in units:
        text = unit * (300_000 // len(unit.encode()))
        before = time.process_time()
        count = tokenizer.count(text)
        found.append([f"{name}: {unit[-3:]!a} of {len(unit)}", time.process_time() - before, count > 0])
    for unit in [*long, "A\u0301a", "aB", "漢 字", "'s", "x\\r\\n", "\\n/", "²3", "a b"]:
        text = "before " + unit * 700 + " after"
        found.append([f"{name}: {unit!a}", 0, pairs.tokens_by_piece(text) == encoding.encode_ordinary(text)])
print(json.dumps(found))
"""


def test_a_text_without_words_is_counted_quickly_by_the_layers_own_tiktoken(opt: Path, task: Path) -> None:
    """300 kB of one letter took 34 s, of tiktoken on Python 3.11."""
    variables = {"TIKTOKEN_CACHE_DIR": str(opt / "tiktoken")}
    for name, seconds, right in run_script(COUNTED, search_path(opt, task), variables=variables):
        assert right, name
        assert seconds < 8, f"{name} took {seconds:.1f} s of processor time"
