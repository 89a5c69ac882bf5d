"""LambdaFunction: what comes with a function, in which order, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pulumi import Output

from components.code_package import REVISION_FILE, CodePackage
from components.policies import Statement
from layer_builds.plan import LayerBuildError, Target
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
    assert code.pop(REVISION_FILE)["text"].startswith('{"configuration": ')
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


def test_every_change_of_the_configuration_names_the_code_again(build: Build) -> None:
    """Code that somebody edited in the console went live with a change of memory alone."""

    def revision(**changes: Any) -> str:
        return build(lambda: parts.function(**changes)).one("Function").inputs["code"]["assets"][REVISION_FILE]["text"]

    changes: list[dict[str, Any]] = [
        {"memory_mb": 512},
        {"timeout_seconds": 61},
        {"environment": {"LEVEL": "x"}},
        {"ephemeral_storage_mb": 1_024},
        {"snapstart": True},
        {"package": parts.package(target=Target("python3.12", "arm64"))},
    ]
    revisions = [revision(), *(revision(**change) for change in changes)]
    assert len(set(revisions)) == len(revisions)
    assert revision(live_version=3) == revision(log_retention_days=7) == revision(), "no version is published for these"


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
    assert [statement["Sid"] for statement in policy["Statement"]] == ["WriteLogs", "SendTraces", "ReadThing"]
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:strata-test-worker-logs-0a1b2c:*"
    assert policy["Statement"][0]["Resource"] == [group]
    assert program.one("RolePolicy").inputs["role"] == "strata-test-worker-role-0a1b2c"


def test_live_is_the_newest_version(build: Build) -> None:
    inputs = build(parts.function).one("Alias").inputs
    assert inputs == {"name": "live", "functionName": NAME, "functionVersion": "7"}


def test_live_stays_where_config_puts_it(build: Build) -> None:
    assert build(lambda: parts.function(live_version=3)).one("Alias").inputs["functionVersion"] == "3"


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
    assert {alarm.inputs["metricName"]: alarm.inputs["threshold"] for alarm in alarms} == {
        "Errors": 1,
        "Throttles": 1,
        "Duration": 54_000,
    }
    for alarm in alarms:
        assert alarm.inputs["dimensions"] == {"FunctionName": NAME}
        assert alarm.inputs["treatMissingData"] == "notBreaching"
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [topic]
    described = {alarm.inputs["metricName"]: alarm.inputs["alarmDescription"] for alarm in alarms}
    assert described["Duration"].startswith("An invocation took over 90% of its 60 s timeout.")
    assert "ops tail" in described["Errors"], "whoever is woken by it reads what to do"


def test_without_a_topic_alarms_tell_nobody(build: Build) -> None:
    assert all("alarmActions" not in alarm.inputs for alarm in build(parts.function).all("MetricAlarm"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"log_retention_days": 31}, "log retention is 31 days"),
        ({"image_uri": "repository:tag"}, "image_uri belongs to images"),
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
    with pytest.raises(LayerBuildError, match="function worker has 6 layers"):
        build(lambda: parts.function(layers=[parts.layer(spec) for spec in specs]))
    assert not build.last.all("Function")


def test_a_layer_for_another_cpu_is_refused(build: Build, layers: FixtureLayers) -> None:
    spec = layers.add()
    other = Target("python3.13", "x86_64")
    with pytest.raises(ValueError, match=r"layers openai-pinecone are not built for python3\.13-arm64"):
        build(lambda: parts.function(layers=[parts.layer(spec, target=other)]))
    assert not build.last.all("Function")


def test_the_package_counts_bytes_not_characters() -> None:
    assert CodePackage({"lambdas/a.py": "é\n"}).bytes == 3


def test_an_image_has_neither_layers_nor_runtime(build: Build) -> None:
    image = parts.package(kind="image")
    inputs = build(lambda: parts.function(package=image, image_uri="repository:tag")).one("Function").inputs
    assert (inputs["packageType"], inputs["imageUri"]) == ("Image", "repository:tag")
    assert inputs["imageConfig"] == {"commands": ["lambdas.worker.handler.handler"]}
    assert inputs["architectures"] == ["arm64"]
    assert not {"runtime", "handler", "layers", "code"} & set(inputs)


def test_a_function_in_a_vpc_may_have_its_network_interfaces(build: Build) -> None:
    vpc = {"subnet_ids": ["subnet-0123456789abcdef0"], "security_group_ids": ["sg-0123456789abcdef0"]}
    program = build(lambda: parts.function(vpc=vpc))
    assert program.one("Function").inputs["vpcConfig"] == {
        "subnetIds": vpc["subnet_ids"],
        "securityGroupIds": vpc["security_group_ids"],
    }
    (granted,) = [
        statement
        for statement in json.loads(program.one("RolePolicy").inputs["policy"])["Statement"]
        if statement["Sid"] == "ManageNetworkInterfaces"
    ]
    assert "ec2:CreateNetworkInterface" in granted["Action"]
    assert "ManageNetworkInterfaces" not in str(build(parts.function).one("RolePolicy").inputs)


def test_snapshots_storage_and_warm_environments_are_config(build: Build) -> None:
    inputs = build(lambda: parts.function(snapstart=True)).one("Function").inputs
    assert inputs["snapStart"] == {"applyOn": "PublishedVersions"}
    program = build(lambda: parts.function(ephemeral_storage_mb=2_048, provisioned_concurrency=3))
    assert program.one("Function").inputs["ephemeralStorage"] == {"size": 2_048}
    assert program.one("ProvisionedConcurrencyConfig").inputs == {
        "functionName": NAME,
        "qualifier": "live",
        "provisionedConcurrentExecutions": 3,
    }


def test_a_url_of_aws_s_callers_needs_no_permission(build: Build) -> None:
    program = build(lambda: parts.function(function_url={"auth": "AWS_IAM"}))
    assert program.one("FunctionUrl", "worker").component
    url = program.one("aws:lambda/functionUrl:FunctionUrl").inputs
    assert url == {"functionName": NAME, "qualifier": "live", "authorizationType": "AWS_IAM"}
    assert not program.all("Permission")


def test_a_public_url_needs_both_permissions_on_the_alias(build: Build) -> None:
    program = build(lambda: parts.function(function_url={"auth": "NONE", "reason": "webhooks, signed"}))
    permissions = {granted.inputs["action"]: granted.inputs for granted in program.all("Permission")}
    assert set(permissions) == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert {granted["qualifier"] for granted in permissions.values()} == {"live"}
    assert permissions["lambda:InvokeFunctionUrl"]["functionUrlAuthType"] == "NONE"
    assert permissions["lambda:InvokeFunction"]["invokedViaFunctionUrl"] is True
