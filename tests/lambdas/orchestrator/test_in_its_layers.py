"""The function on its real, built layers: what they leave out must not be missed, and nothing else may help."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.orchestrator import contract
from tests.lambdas.conftest import record
from tests.lambdas.layered import copy_package, foreign, run_script, search_path, unpack_layers
from tests.lambdas.orchestrator.conftest import CHANGE, World

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys, time
sys.path[:0] = json.loads(sys.argv[1])
started = time.perf_counter()
import lambda_function
imported = time.perf_counter() - started
agents = [name for name in sys.modules if name.split('.')[0] in ('strands', 'openai', 'httpx', 'jwt')]
class Context:
    aws_request_id = 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef'
    function_name = 'strata-test-orchestrator'
    memory_limit_in_mb = 1536
    invoked_function_arn = 'arn:aws:lambda:eu-central-1:123456789012:function:strata-test-orchestrator:live'
    def get_remaining_time_in_millis(self):
        return 600_000
given = json.load(sys.stdin)
answers = {'webhook': lambda_function.lambda_handler(given['webhook'], Context())}
answers['agents_after_webhook'] = agents
answers['messages'] = lambda_function.lambda_handler(given['messages'], Context())
answers['agents_in_function'] = [name for name in sys.modules if name.split('.')[0] == 'strands']
answers['health'] = lambda_function.health_check_handler({}, Context())
answers['test'] = lambda_function.lambda_handler({'test': True}, Context())
answers['places'] = sorted({m.__spec__.origin for m in list(sys.modules.values())
                            if getattr(m, '__spec__', None) and m.__spec__.origin})
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The path of the function in Lambda: its package, both layers over each other, the runtime."""
    opt = unpack_layers(tmp_path_factory.mktemp("opt"), *contract.LAYERS)
    return search_path(opt, copy_package(tmp_path_factory.mktemp("task"), "orchestrator", "lambda_function.py"))


def start(paths: list[str], given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    return run_script(SCRIPT, paths, variables={**environment, "LANG": "C.UTF-8"}, given=given, seconds=200)


def test_a_webhook_a_run_and_the_health_check_need_nothing_but_the_layers(world: World, paths: list[str]) -> None:
    message = world.push(CHANGE)
    payload = {
        **{part: message[part] for part in ("ref", "before", "after")},
        "repository": {"id": 1, "name": "kettle", "full_name": message["repository"], "default_branch": "main"},
    }
    given = {"webhook": world.webhook(payload), "messages": {"Records": [record(message, "m")]}}
    found = start(paths, given, {**world.environment, "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})
    assert found["webhook"]["statusCode"] == 202
    assert found["agents_after_webhook"] == []
    assert found["messages"] == {"batchItemFailures": []}
    assert found["agents_in_function"] == []
    assert "cool" in world.files()["docs/architecture.md"]

    health = json.loads(found["health"]["body"])
    assert (found["health"]["statusCode"], health["status"]) == (200, "healthy")
    assert health["layers_functional"] is True
    assert health["architecture"] == "single-lambda-with-layers"
    assert health["strands_version"].startswith("1.")
    assert found["test"]["problems"] == []
    assert found["test"]["ok"] is True

    assert foreign(found["places"], paths) == []
