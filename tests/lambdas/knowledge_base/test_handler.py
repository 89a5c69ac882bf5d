"""Events → the application: requests as an HTTP API hands them on, the queue's batches, the health report."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import contract, handler
from lambdas.knowledge_base.accounts.throttle import MOST_FAILURES
from lambdas.knowledge_base.app.security_headers import FIXED
from lambdas.knowledge_base.documents import views
from tests.lambdas.conftest import Context, record
from tests.lambdas.events import http_event
from tests.lambdas.knowledge_base.library import shelved
from tests.lambdas.knowledge_base.world import PASSWORD
from tests.pdfs import text_pdf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lambdas.knowledge_base.world import SignedIn, World


@pytest.fixture(scope="module")
def world(shared_world: World) -> Iterator[World]:
    """The function's own environment is this world's."""
    handler._gateway.cache_clear()
    handler._services.cache_clear()
    handler._services().passwords = shared_world.passwords
    yield shared_world
    handler._gateway.cache_clear()
    handler._services.cache_clear()


def send(event: Any) -> Any:
    return handler.handler(event, Context())  # type: ignore[arg-type]


def asked(route: str, body: Any = None, headers: dict[str, str] | None = None, **parts: Any) -> Any:
    """What the API answers to a request."""
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    event = http_event(route, text, headers or {}, base64=parts.pop("base64", False))
    if "source" in parts:
        event["requestContext"]["http"]["sourceIp"] = parts.pop("source")
    return send({**event, **parts})


def test_a_request_is_answered_with_text_and_the_strict_headers(world: World) -> None:
    answer = asked("GET /health")
    assert (answer["statusCode"], answer["body"], answer["isBase64Encoded"]) == (200, '{"status":"ok"}', False)
    assert {name.lower(): value for name, value in FIXED.items()}.items() <= answer["headers"].items()
    assert answer["headers"]["content-type"] == "application/json"


def test_a_body_may_come_as_base64(world: World) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    body = base64.b64encode(json.dumps({"email": email, "password": PASSWORD}).encode()).decode()
    assert asked("POST /auth/register", body, base64=True)["statusCode"] == 201
    answer = asked("POST /auth/login", {"email": email, "password": PASSWORD})
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["token_type"] == "bearer"


def test_a_page_with_its_quote_goes_as_base64_below_the_limit_of_an_answer(world: World, user: SignedIn) -> None:
    document = shelved(world, user, "The kettle is copper.")
    world.services.files.keep(user.id, document, text_pdf(["The kettle is copper."]))
    answer = asked(f"GET /documents/{document}/pages/1/view", None, user.headers, rawQueryString="start=4&end=10")
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (200, True)
    boundary = answer["headers"]["content-type"].partition("boundary=")[2]
    body = base64.b64decode(answer["body"])
    marks, image = body.split(f"--{boundary}".encode())[1:3]
    assert b"\r\n\r\n[{" in marks
    assert b"\r\n\r\n\x89PNG" in image
    assert views.MOST_BYTES * 4 / 3 + 10_000 + 400 * 150 < 6_000_000, "of a payload: the picture, head and boxes"


def test_an_empty_answer_has_no_body(world: World) -> None:
    answer = asked("POST /auth/logout", {"refresh_token": "x"})
    assert (answer["statusCode"], answer.get("body", "")) == (204, "")


def test_the_network_address_is_the_apis_word(world: World) -> None:
    at = f"2001:db8:77:{uuid.uuid4().hex[:4]}::1"

    def tried(number: int) -> Any:
        body = {"email": f"{uuid.uuid4().hex}@example.org", "password": PASSWORD}
        return asked("POST /auth/login", body, {"x-forwarded-for": f"198.51.100.{number}"}, source=at)

    assert {tried(number)["statusCode"] for number in range(MOST_FAILURES)} == {401}
    refused = tried(MOST_FAILURES)
    assert refused["statusCode"] == 429
    assert int(refused["headers"]["retry-after"]) > 0


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"body": "%%%", "isBase64Encoded": True}, 400),
        ({"body": "not base64!", "isBase64Encoded": True}, 400),
        ({"body": base64.b64encode(b"\xff\xfe").decode(), "isBase64Encoded": True}, 400),
        ({"headers": {"host": "a:b:c", "content-type": "application/json"}}, 400),
        ({"headers": {"host": "a:b", "content-type": "application/json"}}, 400),
        ({"headers": None}, 400),
        ({"headers": {"content-type": "application/json", "cookie": "ü"}, "body": "{}"}, 400),
        ({"cookies": ["a=1", "b=2"], "body": "{}"}, 400),
        ({"rawQueryString": "a=%ff%00&" + "b=" * 500}, 400),
        ({"body": "\ud800"}, 400),
        ({"rawQueryString": None}, 400),
        ({"rawQueryString": 5}, 400),
        ({"cookies": [1]}, 400),
        ({"headers": {"content-type": ["application/json"]}}, 400),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_read_is_a_400_in_the_one_form(
    world: World, change: dict[str, Any], status: int
) -> None:
    answer = send({**http_event("POST /auth/logout", None, {}), **change})
    assert answer["statusCode"] == status
    assert json.loads(answer["body"]).keys() == {"error"}
    assert {name.lower(): value for name, value in FIXED.items()}.items() <= answer["headers"].items()


def test_an_encoded_path_is_one_path(world: World) -> None:
    for path in ("/health%2F", "/health%00", "/%2e%2e/health", "/auth%2Flogout/x"):
        event = http_event("GET /health", None, {})
        event["rawPath"] = event["requestContext"]["http"]["path"] = path
        assert send(event)["statusCode"] == 404


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": "x"},
        {"Records": [{"eventSource": "aws:s3"}]},
        {"Records": []},
        {"version": "2.0"},
        {"version": "1.0", "requestContext": {"http": {}}},
        {"version": "2.0", "requestContext": None},
        {"version": "2.0", "requestContext": ["http"]},
        {"version": "2.0", "requestContext": {"http": None}},
        {"version": "2.0", "requestContext": {"http": {"method": "GET"}}},
        {"version": "2.0", "requestContext": {"http": {"method": "GET", "path": "/", "sourceIp": None}}},
        [],
        "x",
        None,
    ],
    ids=str,
)
def test_any_other_event_is_an_error_that_says_what_is_taken(world: World, event: Any) -> None:
    with pytest.raises(ValueError, match="neither an HTTP API's"):
        send(event)


def test_a_batch_of_the_queue_goes_to_ingestion(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Ingestion:
        def batch(self, event: Any, context: Any) -> Any:
            seen.append(event)
            return {"batchItemFailures": []}

    monkeypatch.setitem(vars(handler._services()), "ingestion", Ingestion())
    event = {"Records": [record({"user_id": "a", "document_id": "b"}, "1")]}
    assert send(event) == {"batchItemFailures": []}
    assert seen == [event]


def test_the_init_phase_makes_what_every_request_needs_and_asks_nobody(world: World) -> None:
    fresh = world.restarted(AWS_ENDPOINT_URL="http://127.0.0.1:9")
    for name in ("session", "dynamodb", "s3", "sqs"):
        delattr(fresh.services, name)
    fresh.services.prepare()
    assert {"accounts", "users", "dynamodb", "s3"} <= vars(fresh.services).keys()
    assert "vectors" not in vars(fresh.services)


@pytest.mark.parametrize("event", [{"test": True}, {"health": True, "more": 1}])
def test_a_health_request_says_what_is_there(world: World, event: Any) -> None:
    report = send(event)
    assert report["problems"] == []
    assert report["ok"] is True
    assert report["function"] == "knowledge_base"
    assert {"fastapi", "mangum", "pydantic", "argon2-cffi", "pyjwt", "weaviate-client"} <= report["versions"].keys()
    assert report["checks"]["hashing"].startswith("argon2id")
    assert "paths" in report["checks"]["routes"]


def test_a_health_request_tells_of_a_wrong_setting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(contract.CHUNK_TOKENS, "7")
    handler._services.cache_clear()
    report = send({"test": True})
    handler._services.cache_clear()
    assert report["ok"] is False
    assert any("CHUNK_TOKENS is '7'" in problem for problem in report["problems"])
