"""HttpTrigger: the public way in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from components.function_settings import FunctionSettings
from components.http_trigger import HttpKeys, HttpTrigger, HttpTriggerArgs, answers_in_time, route_name
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build

ROUTES = ("POST /webhook", "GET /health")


def trigger(timeout_seconds: int = 60, opts: Any = None, routes: Any = ROUTES, **keys: Any) -> HttpTrigger:
    function = parts.function(timeout_seconds=timeout_seconds)
    keys = {"requests_per_second": 20, "burst": 40, **keys}
    return HttpTrigger("worker", HttpTriggerArgs(function=function, keys=HttpKeys(**keys), routes=routes), opts)


def test_an_api_brings_routes_permission_stage_logs_and_alarm(build: Build) -> None:
    program = build(trigger)
    assert program.children(program.one("HttpTrigger")) == {
        *("worker-api", "worker-api-permission", "worker-integration", "worker-stage", "worker-access-logs"),
        *("worker-route-post-webhook", "worker-route-get-health", "worker-server-errors"),
    }


def test_the_integration_calls_the_alias_and_stops_at_30_seconds(build: Build) -> None:
    inputs = build(lambda: trigger(900)).one("Integration").inputs
    assert inputs["integrationUri"].endswith("function:strata-test-worker-function-0a1b2c:live/invocations")
    assert inputs["timeoutMilliseconds"] == 30_000
    assert inputs["payloadFormatVersion"] == "2.0"
    assert build(lambda: trigger(5)).one("Integration").inputs["timeoutMilliseconds"] == 5_000


def test_only_this_api_may_invoke_and_only_the_alias(build: Build) -> None:
    assert build(trigger).one("Permission").inputs == {
        "action": "lambda:InvokeFunction",
        "function": "strata-test-worker-function-0a1b2c",
        "qualifier": "live",
        "principal": "apigateway.amazonaws.com",
        "sourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api123/*/*",
    }


def test_requests_are_throttled_and_logged_without_personal_data(build: Build) -> None:
    program = build(trigger)
    stage = program.one("Stage").inputs
    assert stage["name"] == "$default"
    assert stage["defaultRouteSettings"] == {"throttlingRateLimit": 20, "throttlingBurstLimit": 40}
    logged = set(json.loads(stage["accessLogSettings"]["format"]).values())
    assert "$context.requestId" in logged
    assert not {value for value in logged if "identity" in value or "path" in value.lower()}
    assert {"worker-route-post-webhook", "worker-api-permission"} <= program.behind(program.one("Stage"))


def test_access_logs_need_no_statement_of_the_account_s_resource_policy(build: Build) -> None:
    group = build(trigger).one("LogGroup", "worker-access-logs").inputs
    assert group == {"name": "/aws/vendedlogs/strata-test-worker-access-logs", "retentionInDays": 30}


def test_routes_go_to_the_integration(build: Build) -> None:
    routes = build(trigger).all("Route")
    assert {route.inputs["routeKey"] for route in routes} == {"POST /webhook", "GET /health"}
    assert {route.inputs["target"].partition("/")[0] for route in routes} == {"integrations"}


def test_cors_names_its_origins(build: Build) -> None:
    assert "corsConfiguration" not in build(trigger).one("Api").inputs
    origins = ["https://app.example.com"]
    cors = build(lambda: trigger(cors_origins=origins)).one("Api").inputs["corsConfiguration"]
    assert cors["allowOrigins"] == origins
    assert "*" not in str(cors)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"routes": []}, "at least one"),
        ({"routes": ["GET /a", "GET /a"]}, "each once"),
        ({"routes": ["GET /a-b", "GET /a/b"]}, "words of its own"),
        ({"routes": ["FETCH /a"]}, "'FETCH /a' is not a valid route"),
        ({"cors_origins": ["*"]}, "`\\*` is refused"),
    ],
)
def test_bad_arguments_register_nothing(build: Build, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(lambda: trigger(**changes))
    assert not build.last.all("Api")


def test_a_route_is_named_by_its_words() -> None:
    assert route_name("$default") == "route-default"
    assert route_name("ANY /{proxy+}") == "route-any-proxy"
    assert route_name("GET /") == "route-get"


def test_a_function_that_outlives_its_api_is_refused_by_the_rule() -> None:
    assert answers_in_time(FunctionSettings(timeout_seconds=30)) is None
    assert "the API answers 503 after 30 s" in str(answers_in_time(FunctionSettings(timeout_seconds=31)))
