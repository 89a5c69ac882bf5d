"""The function on its real, built layer: what the layer leaves out must not be missed, and nothing else may help."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from layer_builds import runtime_root
from sandbox.vocabulary import FILE_NAME
from tests.lambdas.conftest import OPENAI_KEY, PINECONE_KEY, Function, record
from tests.vocabulary import built_layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.account import Account

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer, unpacked."""
    folder = tmp_path_factory.mktemp("opt")
    with zipfile.ZipFile(built_layer().path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function's package: its .py files at their paths in the repository."""
    folder = tmp_path_factory.mktemp("task")
    files = [ROOT / "lambdas" / "__init__.py", *(ROOT / "lambdas").glob("shared/*.py")]
    for file in [*files, *(ROOT / "lambdas").glob("embedding/*.py")]:
        place = folder / file.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    return folder


@pytest.fixture(scope="module")
def runtime() -> Path:
    return runtime_root(Path(sys.executable))


@pytest.fixture
def run(
    make_function: Callable[..., Function], account: Account, opt: Path, task: Path, runtime: Path
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
        environment = {
            **{name: os.environ[name] for name in names},
            **{f"{name}_SECRET_ARN": arn for name, arn in arns.items()},
            **account.environment(),
            "AWS_LAMBDA_FUNCTION_NAME": "strata-test-embedding",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "LAMBDA_TASK_ROOT": str(task),
            "POWERTOOLS_SERVICE_NAME": "strata-test-embedding",
            "POWERTOOLS_METRICS_NAMESPACE": "Strata",
            "TIKTOKEN_CACHE_DIR": str(opt / "tiktoken"),
            "LANG": "C.UTF-8",
        }
        script = Path(__file__).with_name("in_layer.py")
        paths = json.dumps([str(task), str(opt / "python"), str(runtime)])
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-B", str(script), paths],
            input=json.dumps(event),
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        *log, outcome = done.stdout.splitlines()
        return json.loads(outcome), [json.loads(line) for line in log], function

    return start


def test_a_batch_goes_through_with_nothing_but_the_layer(
    run: Callable[..., Any], opt: Path, task: Path, runtime: Path
) -> None:
    records = [record({"id": "a", "text": "On its real layer."}, "good"), record("{", "bad", received=3)]
    outcome, log, function = run({"Records": records})
    assert outcome["answer"] == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert function.stored().keys() == {"a"}

    ours = (str(task), str(opt), str(runtime))
    standard = str(Path(os.__file__).resolve().parent)
    foreign = [
        place
        for place in outcome["places"]
        if place.startswith("/") and not place.startswith((*ours, standard)) and "in_layer.py" not in place
    ]
    assert foreign == []

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


def test_the_vocabulary_of_the_layer_is_where_the_function_looks(opt: Path) -> None:
    assert (opt / "tiktoken" / FILE_NAME).is_file()
