"""What every answer of the API has: its headers, the one form of errors; and what no request gets past."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.app.limits import MOST_BYTES, MOST_JSON_BYTES
from lambdas.knowledge_base.app.security_headers import FIXED, bucket_origin
from tests.lambdas.knowledge_base.world import PASSWORD

if TYPE_CHECKING:
    from lambdas.knowledge_base.services import Services
    from tests.lambdas.knowledge_base.world import SignedIn, World

JSON = {"Content-Type": "application/json"}


def failure(answer: Any) -> tuple[int, str]:
    """Status and code of an error; its form is checked."""
    body = answer.json()
    assert body.keys() == {"error"}, body
    assert body["error"].keys() == {"code", "message"}, body
    assert body["error"]["message"].endswith((".", "-")) or "request: " in body["error"]["message"]
    return answer.status_code, body["error"]["code"]


def answers(world: World) -> dict[str, Any]:
    """An answer of each kind."""
    client = world.client
    return {
        "200": client.get("/health"),
        "204": client.post("/auth/logout", json={"refresh_token": "x"}),
        "400": client.post("/auth/logout", json={}),
        "401": client.post("/auth/refresh", json={"refresh_token": "x"}),
        "404": client.get("/nothing/here"),
        "405": client.patch("/auth/login"),
        "413": client.post("/auth/login", content=b"x" * (MOST_JSON_BYTES + 1), headers=JSON),
        "415": client.post("/auth/login", content="a=b", headers={"Content-Type": "text/plain"}),
        "openapi": client.get("/openapi.json"),
    }


def test_every_answer_has_the_strict_headers(shared_world: World) -> None:
    origin = bucket_origin(shared_world.services)
    policies: set[str] = set()
    for name, answer in answers(shared_world).items():
        assert name in ("openapi", str(answer.status_code))
        assert {key: answer.headers.get(key) for key in FIXED} == FIXED, name
        assert answer.headers["Cache-Control"] == "no-store", name
        assert "server" not in answer.headers
        policies.add(answer.headers["Content-Security-Policy"])
    wanted = (
        f"default-src 'self'; connect-src 'self' {origin}; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )
    assert policies == {wanted}


def test_the_policy_admits_where_presigned_uploads_go(shared_world: World) -> None:
    services: Services = shared_world.services
    upload = services.s3.generate_presigned_post(services.settings.bucket, "uploads/a/b.pdf")
    link = services.s3.generate_presigned_url("get_object", Params={"Bucket": services.settings.bucket, "Key": "a"})
    origin = bucket_origin(services)
    assert upload["url"].startswith(f"{origin}/")
    assert link.startswith(f"{origin}/")


def test_a_bucket_of_aws_has_its_own_origin(shared_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    world = shared_world.restarted()
    for name in ("session", "s3"):
        delattr(world.services, name)
    assert bucket_origin(world.services) == (
        f"https://{world.services.settings.bucket}.s3.{world.environment['AWS_REGION']}.amazonaws.com"
    )
    upload = world.services.s3.generate_presigned_post(world.services.settings.bucket, "uploads/a/b.pdf")
    assert upload["url"].startswith(bucket_origin(world.services))


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("GET", "/health/", (404, "not_found")),
        ("GET", "/../etc/passwd", (404, "not_found")),
        ("GET", "/%00", (404, "not_found")),
        ("GET", "/redoc", (404, "not_found")),
        ("POST", "/health", (405, "method_not_allowed")),
        ("DELETE", "/auth/login", (405, "method_not_allowed")),
        ("TRACE", "/auth/login", (405, "method_not_allowed")),
    ],
)
def test_what_is_not_there_is_an_error_in_the_one_form(
    shared_world: World, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = shared_world.client.request(method, path)
    assert failure(answer) == expected
    assert answer.status_code != 405 or answer.headers["Allow"]


BODIES: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "application/json", "invalid_request"),
    "no JSON": (b"{", "application/json", "invalid_request"),
    "two values": (b"{} {}", "application/json", "invalid_request"),
    "not UTF-8": (b'{"refresh_token": "\xff\xfe"}', "application/json", "invalid_request"),
    "a list": (b"[]", "application/json", "invalid_request"),
    "a text": (b'"x"', "application/json", "invalid_request"),
    "null": (b"null", "application/json", "invalid_request"),
    "no keys": (b"{}", "application/json", "invalid_request"),
    "another key": (b'{"refresh_token": "x", "admin": true}', "application/json", "invalid_request"),
    "a number": (b'{"refresh_token": 7}', "application/json", "invalid_request"),
    "not a number": (b'{"refresh_token": NaN}', "application/json", "invalid_request"),
    "a long number": (b'{"refresh_token": ' + b"9" * 5000 + b"}", "application/json", "invalid_request"),
    "a lone surrogate": (b'{"refresh_token": "\\ud800"}', "application/json", "invalid_request"),
    "a lone surrogate in a name": (b'{"refresh_token": "x", "\\udfff": 1}', "application/json", "invalid_request"),
    "a lone surrogate in what is no JSON": (b'{"refresh_token": "\\ud800"', "application/json", "invalid_request"),
    "a lone surrogate, deep down": (b"[" * 50_000 + b'"\\ud800"', "application/json", "invalid_request"),
    "deep lists": (b"[" * 60_000, "application/json", "invalid_request"),
    "deep lists that end": (b"[" * 50_000 + b"]" * 50_000, "application/json", "invalid_request"),
    "deep objects": (b'{"refresh_token":' * 5_000 + b"1" + b"}" * 5_000, "application/json", "invalid_request"),
    "as text": (b'{"refresh_token": "x"}', "text/plain", "unsupported_media_type"),
    "as nothing": (b'{"refresh_token": "x"}', "", "unsupported_media_type"),
    "as a form": (b"refresh_token=x", "application/x-www-form-urlencoded", "unsupported_media_type"),
    "as another form": (b"--a\r\n", "multipart/form-data; boundary=a", "unsupported_media_type"),
    "as JSON of a kind": (b'{"refresh_token": "x"}', "application/json-patch+json", "unsupported_media_type"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_cannot_be_read_is_refused_by_its_kind(shared_world: World, name: str) -> None:
    content, kind, code = BODIES[name]
    answer = shared_world.client.post("/auth/refresh", content=content, headers={"Content-Type": kind} if kind else {})
    assert failure(answer) == (415 if code == "unsupported_media_type" else 400, code)
    assert len(answer.text) < 600


def test_a_body_may_say_its_charset_and_begin_with_a_mark(shared_world: World) -> None:
    body = b'{"refresh_token": "x"}'
    for kind in ("application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"):
        answer = shared_world.client.post("/auth/refresh", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("kind", "most"), [("application/json", MOST_JSON_BYTES), ("multipart/form-data; boundary=a", MOST_BYTES)]
)
def test_a_body_that_is_too_large_is_a_413_wherever_it_goes(shared_world: World, kind: str, most: int) -> None:
    for path in ("/auth/login", "/nothing"):
        answer = shared_world.client.post(path, content=b"x" * (most + 1), headers={"Content-Type": kind})
        assert failure(answer) == (413, "too_large")


def test_several_wrong_fields_are_all_named_and_no_value_is_repeated(shared_world: World) -> None:
    answer = shared_world.client.post(
        "/auth/register", json={"email": "very-private", "password": "sh0rt", "secret": "deep-secret-value"}
    )
    message = answer.json()["error"]["message"]
    assert all(name in message for name in ("email", "password", "secret"))
    assert not any(value in answer.text for value in ("very-private", "sh0rt", "deep-secret-value"))


def test_a_name_of_a_field_that_somebody_made_up_is_not_repeated_at_length(shared_world: World) -> None:
    body = {"email": "a@example.org", "password": PASSWORD, **{f"{number}{'x' * 2000}": 1 for number in range(20)}}
    answer = shared_world.client.post("/auth/register", json=body)
    assert answer.status_code == 400
    assert len(answer.text) < 600


def test_what_nobody_expected_is_a_500_with_the_requests_id_and_no_word_of_it(
    shared_world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("the secret is swordfish")

    monkeypatch.setattr(shared_world.services.accounts, "logout", broken)
    answer = shared_world.client.post("/auth/logout", json={"refresh_token": "x"})
    assert failure(answer) == (500, "internal")
    assert {key: answer.headers.get(key) for key in FIXED} == FIXED
    assert "swordfish" not in answer.text
    entry = next(entry for entry in caplog.records if entry.message == "request failed")
    assert "swordfish" not in json.dumps(vars(entry), default=str)
    assert any("accounts.py" in step and "logout" in step for step in entry.__dict__["trace"])


def test_what_aws_refuses_is_a_503_that_may_pass(shared_world: World) -> None:
    gone = shared_world.restarted(**{contract.USERS_TABLE: "a-table-that-is-not-there"})
    answer = gone.client.post("/auth/login", json={"email": "a@example.org", "password": PASSWORD})
    assert failure(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert "a-table-that-is-not-there" not in answer.text


def test_a_wrong_configuration_is_a_503_and_the_log_says_what(
    shared_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = shared_world.restarted(**{contract.MAX_PAGES: "many", contract.PDF_STORAGE_BUCKET: ""})
    answer = wrong.client.post("/auth/login", json={"email": "a@example.org", "password": PASSWORD})
    assert failure(answer) == (503, "not_configured")
    assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]
    said = next(entry for entry in caplog.records if entry.message == "not configured").__dict__["detail"]
    assert "MAX_PAGES is 'many'" in said
    assert "PDF_STORAGE_BUCKET is not set" in said
    assert wrong.client.get("/health").status_code == 200


def test_the_log_has_a_line_for_every_answer_with_the_pattern_of_its_route(
    shared_world: World, user: SignedIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    caplog.clear()
    shared_world.client.get("/health")
    shared_world.client.get("/secret-words-in-a-path")
    lines = [entry.__dict__ for entry in caplog.records if entry.message == "answered"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "/health", 200),
        ("GET", "-", 404),
    ]
