"""The function on its real, built layer: what the layer leaves out must not be missed, and nothing else may help."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.embedding.contract import LEAST_MEMORY_MB
from lambdas.shared.byte_pairs import LONG_RUN
from layer_builds.plan import Target, host_architecture, load_layer
from sandbox.standins.openai.vocabulary import FILE_NAME
from tests.lambdas.conftest import record
from tests.lambdas.embedding.conftest import OPENAI_KEY, PINECONE_KEY, Function
from tests.lambdas.layered import copy_package, run_layered, run_script, search_path, unpack_layers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sandbox.account import Account

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_layers(tmp_path_factory.mktemp("opt"), "openai-pinecone")


def lock() -> Path:
    """The layer's lock for the runtime of the Python that runs the tests."""
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return load_layer("openai-pinecone").lock_path(Target(runtime, host_architecture()))


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("task"), "embedding")


@pytest.fixture
def run(
    make_function: Callable[..., Function], account: Account, opt: Path, task: Path
) -> Callable[..., tuple[dict[str, Any], list[dict[str, Any]], Function]]:
    """Starts the function with an event: its outcome, its log, and what it wrote to."""

    def start(event: Any) -> tuple[dict[str, Any], list[dict[str, Any]], Function]:
        function = make_function()
        secrets = account.client("secretsmanager")
        arns = {
            name: secrets.create_secret(Name=f"{name}-{os.urandom(4).hex()}", SecretString=value)["ARN"]
            for name, value in (("OPENAI_API_KEY", OPENAI_KEY), ("PINECONE_API_KEY", PINECONE_KEY))
        }
        names = ("OPENAI_BASE_URL", "OPENAI_EMBEDDING_MODEL", "OPENAI_EMBEDDING_DIMENSIONS", "PINECONE_INDEX_HOST")
        variables = {
            **{name: os.environ[name] for name in names},
            **{f"{name}_SECRET_ARN": arn for name, arn in arns.items()},
            **account.environment(),
            "POWERTOOLS_METRICS_NAMESPACE": "Strata",
            "TIKTOKEN_CACHE_DIR": str(opt / "tiktoken"),
        }
        return *run_layered("embedding", opt, task, event, variables), function

    return start


def test_a_batch_goes_through_with_nothing_but_the_layer(run: Callable[..., Any]) -> None:
    records = [record({"id": "a", "text": "On its real layer."}, "good"), record("{", "bad", received=3)]
    outcome, log, function = run({"Records": records})
    assert outcome["answer"] == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert function.stored().keys() == {"a"}

    # Fault 8: what the settings refuse could not start, and what they take can.
    assert 80 < outcome["start_mb"] < LEAST_MEMORY_MB - 10, outcome["start_mb"]

    health = outcome["health"]
    assert health["problems"] == []
    assert health["ok"] is True
    assert health["python"] == platform.python_version()
    assert health["versions"].keys() == {
        "openai",
        "pinecone",
        "tiktoken",
        "aws-lambda-powertools",
        "pydantic",
        "boto3",
    }
    assert health["checks"] == {
        "settings": "text-embedding-3-small, 384 dimensions",
        "vocabulary": "cl100k_base, 2 tokens in 'hello world'",
    }

    failure = next(line for line in log if line.get("message") == "message failed")
    assert failure["level"] == "WARNING"
    assert failure["function_request_id"] == "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    assert failure["service"] == "strata-test-embedding"
    assert (failure["message_id"], failure["received"], failure["reason"]) == ("bad", "3", "rejected")
    assert "cold_start" in failure

    metrics = next(line for line in log if "_aws" in line)
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Strata"
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]]
    assert metrics["service"] == "strata-test-embedding"
    names = ("MessagesProcessed", "MessagesFailed", "MessagesRetried", "VectorsUpserted", "TokensEmbedded")
    assert [metrics[name] for name in names] == [[1.0], [1.0], [1.0], [1.0], [5.0]]
    everything = json.dumps(log)
    assert OPENAI_KEY not in everything
    assert PINECONE_KEY not in everything
    assert "On its real layer." not in everything


LARGEST = """
import json, sys, time
sys.path[:0] = json.loads(sys.argv[1])
from lambdas.embedding.chunks import Tokenizer
tokenizer, limit, found = Tokenizer(), 8191, {}
for unit in json.loads(sys.argv[2]):
    text = unit * (262_000 // len(unit.encode()))
    before = time.process_time()
    chunks = tokenizer.split(text, limit)
    whole = "".join(chunk.text for chunk in chunks) == text
    found[unit] = [time.process_time() - before, whole, max([chunk.tokens for chunk in chunks])]
import tiktoken
print(json.dumps([tiktoken.__version__, found]))
"""


def test_the_largest_message_is_cut_quickly_by_the_layers_own_tiktoken(opt: Path, task: Path) -> None:
    """Fault 5: of an older version on Python 3.11, whose time for a word grows with the square of its length."""
    units = ["a", "漢", "😀", "=", "ภาษาไทย", "x\n", "\x1c=", "the quick brown fox "]
    short = LONG_RUN - 1  # each run as long as one may be that is given to tiktoken
    units += ["!" * short + "a", "!" * short + "\n" * short, "a" * short + " ", "😀" * short + "\n" * short]
    units += ["!" * 1_999 + "a", "!" * 500 + "a", " " * 99_999 + "a"]
    variables = {"TIKTOKEN_CACHE_DIR": str(opt / "tiktoken")}
    version, found = run_script(LARGEST, search_path(opt, task), json.dumps(units), variables=variables)
    locked = re.findall(r"^tiktoken==(\S+)", lock().read_text(), re.MULTILINE)
    assert [version] == locked
    for unit, (seconds, whole, most) in found.items():
        assert seconds < 8, f"{unit[-3:]!r} of {len(unit)} took {seconds:.1f} s of processor time"
        assert whole
        assert most <= 8_191


def test_the_vocabulary_of_the_layer_is_where_the_function_looks(opt: Path) -> None:
    assert (opt / "tiktoken" / FILE_NAME).is_file()
