"""LambdaFunction: what comes with a function, in which order, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pulumi import Output

from components.code import CodePackage
from components.function import LambdaFunction
from components.policies import Statement
from layer_builds import Target
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build
    from tests.layers import FixtureLayers

NAME = "strata-test-worker-function-0a1b2c"


def test_a_function_brings_its_log_group_role_alias_and_alarms(build: Build) -> None:
    program = build(parts.function)
    assert program.children(program.one("LambdaFunction")) == {
        *("worker-logs", "worker-role", "worker-policy", "worker-function", "worker-live"),
        *("worker-errors", "worker-throttles", "worker-duration"),
    }


def test_the_function_is_what_the_arguments_say(build: Build) -> None:
    inputs = build(parts.function).one("Function").inputs
    code = inputs.pop("code")["assets"]
    assert {path: asset["text"] for path, asset in code.items()} == parts.CODE.files
    assert inputs == {
        "role": f"arn:aws:iam::{ACCOUNT}:role/strata-test-worker-role-0a1b2c",
        "runtime": "python3.13",
        "architectures": ["arm64"],
        "handler": "lambdas.worker.handler.handler",
        "layers": [],
        "memorySize": 256,
        "timeout": 60,
        "publish": True,
        "tracingConfig": {"mode": "Active"},
        "loggingConfig": {"logFormat": "JSON", "logGroup": "strata-test-worker-logs-0a1b2c"},
    }


def test_an_empty_environment_is_left_out(build: Build) -> None:
    """Read back as none, it was a change in every preview and a new version in every `up`."""
    assert "environment" not in build(parts.function).one("Function").inputs
    variables = build(lambda: parts.function(environment={"LEVEL": "x"})).one("Function").inputs["environment"]
    assert variables == {"variables": {"LEVEL": "x"}}


def test_the_log_group_and_the_policy_exist_before_the_function(build: Build) -> None:
    program = build(parts.function)
    assert {"worker-logs", "worker-policy", "worker-role"} <= program.behind(program.one("Function"))
    assert program.one("LogGroup").inputs == {"retentionInDays": 30}


def test_a_role_may_write_logs_and_traces_and_what_the_code_calls(build: Build) -> None:
    statement = Statement(sid="ReadThing", actions=("s3:GetObject",), resources=("arn:aws:s3:::bucket/thing",))
    program = build(lambda: parts.function(statements=[statement]))
    policy = json.loads(program.one("RolePolicy").inputs["policy"])
    assert [one["Sid"] for one in policy["Statement"]] == ["WriteLogs", "SendTraces", "ReadThing"]
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:strata-test-worker-logs-0a1b2c:*"
    assert policy["Statement"][0]["Resource"] == [group]
    assert program.one("RolePolicy").inputs["role"] == "strata-test-worker-role-0a1b2c"


def test_live_is_the_newest_version(build: Build) -> None:
    inputs = build(parts.function).one("Alias").inputs
    assert inputs == {"name": "live", "functionName": NAME, "functionVersion": "7"}


def test_live_stays_where_config_puts_it(build: Build) -> None:
    assert build(lambda: parts.function(live_version=3)).one("Alias").inputs["functionVersion"] == "3"


def test_nothing_invokes_what_no_version_holds(build: Build) -> None:
    program = build(parts.function)
    assert "$LATEST" not in str([one.inputs for one in program.resources])


def test_layers_bring_their_variables_and_their_order(build: Build, layers: FixtureLayers) -> None:
    first, second = layers.add("first"), layers.add("second")
    program = build(
        lambda: parts.function(
            layers=[parts.layer(first), parts.layer(second)], environment={"TIKTOKEN_CACHE_DIR": "/tmp/mine"}
        )
    )
    inputs = program.one("Function").inputs
    assert inputs["layers"] == [
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:strata-test-{name}-py313-arm64:1" for name in ("first", "second")
    ]
    assert inputs["environment"] == {"variables": {"TIKTOKEN_CACHE_DIR": "/tmp/mine"}}


def test_concurrency_is_reserved_by_config_only(build: Build) -> None:
    assert "reservedConcurrentExecutions" not in build(parts.function).one("Function").inputs
    program = build(lambda: parts.function(reserved_concurrency=0))
    assert program.one("Function").inputs["reservedConcurrentExecutions"] == 0


def test_alarms_look_at_this_function_and_missing_data_is_fine(build: Build) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
    alarms = build(lambda: parts.function(alarm_topic_arn=topic)).all("MetricAlarm")
    assert {one.inputs["metricName"]: one.inputs["threshold"] for one in alarms} == {
        "Errors": 1,
        "Throttles": 1,
        "Duration": 54_000,
    }
    for alarm in alarms:
        assert alarm.inputs["dimensions"] == {"FunctionName": NAME}
        assert alarm.inputs["treatMissingData"] == "notBreaching"
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [topic]
    described = {one.inputs["metricName"]: one.inputs["alarmDescription"] for one in alarms}
    assert described["Duration"] == "An invocation took over 90% of its 60 s: soon it is cut off."
    assert "ops tail" in described["Errors"], "whoever is woken by it reads what to do"


def test_without_a_topic_alarms_tell_nobody(build: Build) -> None:
    assert all("alarmActions" not in one.inputs for one in build(parts.function).all("MetricAlarm"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_mb": 64}, r"memory_mb is 64: AWS accepts 128 to 10,240 MB \(https://docs.aws"),
        ({"timeout_seconds": 901}, "timeout_seconds is 901: AWS accepts 1 to 900 seconds"),
        ({"reserved_concurrency": -1}, "reserved_concurrency is -1"),
        ({"log_retention_days": 31}, "log retention is 31 days"),
        ({"live_version": 0}, "versions are numbered from 1"),
        ({"environment": {"AWS_REGION": "x"}}, "environment sets AWS_REGION: Lambda keeps"),
        ({"environment": {"TEXT": "x" * 4_086}}, "environment's size is 4097: AWS accepts 0 to 4,096 bytes"),
    ],
)
def test_bad_arguments_register_nothing(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(lambda: parts.function(**changes))
    assert build.last.resources == []


def test_an_arn_that_is_not_known_yet_counts_with_its_longest(build: Build) -> None:
    with pytest.raises(ValueError, match="environment's size is 4106"):
        build(lambda: parts.function(environment={"TEXT": "x" * 3_936, "ARN": Output.from_input("arn")}))
    assert build.last.resources == []


def test_a_sixth_layer_is_refused(build: Build, layers: FixtureLayers) -> None:
    specs = [layers.add(f"layer-{index}") for index in range(6)]
    with pytest.raises(ValueError, match="number of layers is 6: AWS accepts 0 to 5 layers"):
        build(lambda: parts.function(layers=[parts.layer(spec) for spec in specs]))
    assert not build.last.all("Function")


def test_a_layer_for_another_cpu_is_refused(build: Build, layers: FixtureLayers) -> None:
    spec = layers.add()
    other = Target("python3.13", "x86_64")
    with pytest.raises(ValueError, match=r"layers openai-pinecone are not built for python3\.13-arm64"):
        build(lambda: parts.function(layers=[parts.layer(spec, target=other)]))
    assert not build.last.all("Function")


def test_options_stay_with_the_component(build: Build) -> None:
    program = build(lambda: LambdaFunction("worker", parts.function_args(), parts.leaky()))
    parts.assert_nothing_leaked(program, program.one("LambdaFunction"))


def test_the_package_counts_bytes_not_characters() -> None:
    assert CodePackage({"lambdas/a.py": "é\n"}).bytes == 3
