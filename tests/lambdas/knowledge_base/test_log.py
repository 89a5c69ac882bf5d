"""What is written while people sign in and out: nothing that they sent, nothing that would let another in."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import contract
from tests.lambdas.knowledge_base.world import PASSWORD, SIGNING_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lambdas.knowledge_base.world import World


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that any logger writes, all of them at DEBUG and with their records' attributes."""
    stream = io.StringIO()

    class All(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stream.write(f"{vars(record)!r} {record.getMessage()}\n")

    handler = All()
    level = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


def everything(world: World) -> dict[str, str]:
    """A day of somebody's; what must not be in any line of it."""
    email = f"{uuid.uuid4().hex}@private.example.org"
    wrong = f"wrong password {uuid.uuid4().hex}"
    client = world.somewhere()

    def post(path: str, body: Any, **options: Any) -> Any:
        return client.post(f"/auth/{path}", json=body, **options)

    post("register", {"email": email, "password": PASSWORD})
    post("register", {"email": email, "password": PASSWORD})
    post("register", {"email": f" {email}", "password": PASSWORD, "more": wrong})
    post("register", {"email": f"x{email}\x00", "password": PASSWORD})
    post("login", {"email": email, "password": wrong})
    post("login", {"email": [email], "password": {wrong: wrong}})
    tokens = post("login", {"email": email, "password": PASSWORD}).json()
    client.get("/documents", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    client.get("/documents", headers={"Authorization": f"Bearer {tokens['access_token']}x"})
    client.get(f"/documents?access_token={tokens['access_token']}")
    following = post("refresh", {"refresh_token": tokens["refresh_token"]}).json()
    post("refresh", {"refresh_token": tokens["refresh_token"]})
    post("logout", {"refresh_token": following["refresh_token"]})
    client.post("/documents", files={"file": ("a.pdf", f"{wrong}".encode())}, headers={"Authorization": "Bearer x"})
    gone = world.restarted(**{contract.USERS_TABLE: "nothing-of-that-name"})
    gone.somewhere().post("/auth/login", json={"email": email, "password": wrong})
    return {
        "address": email,
        "password": PASSWORD,
        "wrong password": wrong,
        "signing key": SIGNING_KEY,
        "access token": tokens["access_token"],
        "access token's signature": tokens["access_token"].rpartition(".")[2],
        "refresh token": tokens["refresh_token"].partition(".")[2],
        "next refresh token": following["refresh_token"].partition(".")[2],
    }


def test_nothing_that_people_send_is_in_the_log_at_any_level(
    shared_world: World, written: io.StringIO, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = everything(shared_world.restarted())
    broken = shared_world.restarted()
    monkeypatch.setattr(broken.services.accounts, "login", fail)
    broken.somewhere().post("/auth/login", json={"email": secrets["address"], "password": PASSWORD})
    captured = capfd.readouterr()
    said = written.getvalue() + captured.out + captured.err
    assert "answered" in said
    assert "request failed" in said
    assert [name for name, secret in secrets.items() if secret in said] == []


def fail(email: str, password: str, _source: str) -> None:
    """What a library does that quotes what it was given."""
    raise ValueError(f"{email} cannot sign in with {password}")


PROBE = """
import logging, os, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from lambdas.knowledge_base import handler
logging.root.setLevel(logging.DEBUG)
from tests.lambdas.conftest import Context
from tests.lambdas.events import http_event
for body in ('{"email": "a@private.example.org", "password": "a very private password"}', '{"email": "a@private'):
    print(handler.handler(http_event("POST /auth/login", body, {"authorization": "Bearer a-private-token"}), Context()))
"""


def test_a_new_environment_at_debug_logs_no_event(shared_world: World) -> None:
    """In a process of its own: loggers as Lambda has them, and a variable that has Powertools log every event."""
    environment = {
        **os.environ,
        **shared_world.environment,
        "POWERTOOLS_LOGGER_LOG_EVENT": "true",
        "LOG_LEVEL": "DEBUG",
    }
    environment |= {"POWERTOOLS_LOG_LEVEL": "DEBUG", "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
    run = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=True, timeout=100
    )
    said = run.stdout + run.stderr
    assert said.count("answered") == 2
    assert "statusCode" in said
    assert [
        word for word in ("private.example", "private password", "private-token", SIGNING_KEY) if word in said
    ] == []
