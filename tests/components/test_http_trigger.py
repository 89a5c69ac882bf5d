"""HttpTrigger: the public way in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from components.http_trigger import HttpTrigger, HttpTriggerArgs, route_name
from tests.components import parts
from tests.harness import ACCOUNT, REGION

if TYPE_CHECKING:
    from tests.harness import Build


def trigger(timeout_seconds: int = 60, opts: Any = None, **changes: Any) -> HttpTrigger:
    values: dict[str, Any] = {
        "function": parts.function(timeout_seconds=timeout_seconds),
        "routes": ["POST /webhook", "GET /health"],
        "requests_per_second": 20,
        "burst": 40,
        "log_retention_days": 30,
    }
    return HttpTrigger("worker", HttpTriggerArgs(**{**values, **changes}), opts)


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


def test_routes_go_to_the_integration(build: Build) -> None:
    routes = build(trigger).all("Route")
    assert {one.inputs["routeKey"] for one in routes} == {"POST /webhook", "GET /health"}
    assert {one.inputs["target"].partition("/")[0] for one in routes} == {"integrations"}


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
        ({"routes": ["FETCH /a"]}, "'FETCH /a' is no route"),
        ({"cors_origins": ["*"]}, "`\\*` is refused"),
        ({"requests_per_second": 0}, "requests_per_second is 0"),
        ({"burst": 5_001}, "burst is 5001"),
        ({"log_retention_days": 2}, "log retention is 2 days"),
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


def test_options_stay_with_the_component(build: Build) -> None:
    program = build(lambda: trigger(opts=parts.leaky()))
    parts.assert_nothing_leaked(program, program.one("HttpTrigger"))
