"""Signing in may fail ten times in 15 minutes, for an account and from a network address; also all at once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.accounts import throttle as throttle_module
from lambdas.knowledge_base.accounts.throttle import ABANDONED_SECONDS, MOST_FAILURES, WINDOW_SECONDS, Throttle
from lambdas.knowledge_base.errors import TooManyError, UnauthorizedError
from tests.lambdas.knowledge_base.world import PASSWORD

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import Clock, World


@pytest.fixture
def world(shared_world: World) -> World:
    return shared_world.restarted()


@pytest.fixture
def email(world: World) -> str:
    return world.user().email


@pytest.fixture
def throttle(world: World) -> Throttle:
    return Throttle(world.services.users, world.clock)


def source() -> str:
    return f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"


def tried(world: World, email: str, password: str, at: str) -> Any:
    return world.client_at(at).post("/auth/login", json={"email": email, "password": password})


def fail(throttle: Throttle, email: str, at: str) -> bool:
    """Try and fail; False when it may not even be tried."""
    try:
        with throttle.attempt(email, at):
            raise UnauthorizedError  # noqa: TRY301 - what the block is about
    except UnauthorizedError:
        return True
    except TooManyError:
        return False


def test_after_ten_failures_even_the_right_password_waits_for_a_quarter_of_an_hour(world: World, email: str) -> None:
    answers = [tried(world, email, "a wrong password", source()) for _ in range(MOST_FAILURES + 2)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2
    refused = tried(world, email, PASSWORD, source())
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "too_many_failures"
    wait = int(refused.headers["Retry-After"])
    assert WINDOW_SECONDS - 60 < wait <= WINDOW_SECONDS
    world.clock.pass_(wait - 30)
    assert tried(world, email, PASSWORD, source()).status_code == 429
    world.clock.pass_(31)
    assert tried(world, email, PASSWORD, source()).status_code == 200


def test_an_address_without_an_account_is_limited_in_the_same_words(world: World, email: str) -> None:
    unknown = f"{uuid.uuid4().hex}@example.org"
    for address in (email, unknown):
        for _ in range(MOST_FAILURES):
            tried(world, address, "a wrong password", source())
    first, second = (tried(world, address, "a wrong password", source()) for address in (email, unknown))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert abs(int(first.headers["Retry-After"]) - int(second.headers["Retry-After"])) < 60


def test_one_network_address_fails_ten_times_whatever_the_accounts(world: World, email: str) -> None:
    at = "203.0.113.77"
    for number in range(MOST_FAILURES):
        assert tried(world, f"{number}-{uuid.uuid4().hex}@example.org", "a wrong password", at).status_code == 401
    assert tried(world, email, PASSWORD, at).status_code == 429
    assert tried(world, email, PASSWORD, source()).status_code == 200


def test_a_network_of_ipv6_is_one_address_and_another_form_of_an_address_is_none_of_its_own(
    throttle: Throttle,
) -> None:
    network = source().removesuffix("::1")
    someone = [f"{uuid.uuid4().hex}@example.org" for _ in range(30)]
    assert all(fail(throttle, someone[number], f"{network}:{number}::{number}") for number in range(MOST_FAILURES))
    assert not fail(throttle, someone[20], f"{network}:ffff::9")
    assert all(fail(throttle, someone[number], "192.0.2.200") for number in range(MOST_FAILURES))
    assert not fail(throttle, someone[21], "::ffff:192.0.2.200")


def test_a_client_cannot_choose_its_address_by_a_header(world: World, email: str) -> None:
    at = "203.0.113.78"
    client = world.client_at(at)
    for number in range(MOST_FAILURES):
        headers = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
        body = {"email": f"{uuid.uuid4().hex}@example.org", "password": "a wrong password"}
        assert client.post("/auth/login", json=body, headers=headers).status_code == 401
    headers = {"X-Forwarded-For": "198.51.100.99", "X-Real-IP": "198.51.100.99"}
    answer = client.post("/auth/login", json={"email": email, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 429


def test_signing_in_rightly_counts_nothing(world: World, email: str) -> None:
    at = source()
    assert [tried(world, email, PASSWORD, at).status_code for _ in range(MOST_FAILURES + 3)] == [200] * 13
    item = world.services.users.get({"id": f"failures#account#{throttle_module.digest(email)}"}) or {}
    assert item["tries"] == {}


def test_of_many_wrong_tries_at_once_ten_are_looked_at(
    world: World, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    verify = world.passwords.verify
    monkeypatch.setattr(world.passwords, "verify", lambda *parts: looked.append("") or verify(*parts))
    assert world.app is not None  # made before the threads
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: tried(world, email, "a wrong password", source()), range(40)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (10, 30)
    assert len(looked) == 10


def test_many_who_sign_in_at_once_from_one_address_all_do(world: World) -> None:
    """An office at nine: more than ten at the same moment, and nobody has failed."""
    people = [world.user().email for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: tried(world, people[number % 4], PASSWORD, "203.0.113.79"), range(24)))
    assert {answer.status_code for answer in answers} == {200}


def test_a_window_slides(throttle: Throttle, world: World) -> None:
    clock: Clock = world.clock
    email = f"{uuid.uuid4().hex}@example.org"
    for _ in range(5):
        assert fail(throttle, email, source())
    clock.pass_(WINDOW_SECONDS - 60)
    for _ in range(5):
        assert fail(throttle, email, source())
    assert not fail(throttle, email, source())
    clock.pass_(61)  # the first five are gone, the others are not
    assert [fail(throttle, email, source()) for _ in range(6)] == [True] * 5 + [False]


def test_a_try_whose_environment_was_killed_counts_as_failed_and_ends_with_the_window(
    throttle: Throttle, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle_module, "PATIENCE_SECONDS", 0.2)
    email = f"{uuid.uuid4().hex}@example.org"
    subject = f"failures#account#{throttle_module.digest(email)}"
    for number in range(MOST_FAILURES):
        throttle._take(subject, f"killed{number}")
    with pytest.raises(TooManyError) as refused:
        throttle._take(subject, "another")
    assert refused.value.headers["Retry-After"] == "1", "they may still be done"
    world.clock.pass_(ABANDONED_SECONDS + 1)
    with pytest.raises(TooManyError) as refused:
        throttle._take(subject, "another")
    assert int(refused.value.headers["Retry-After"]) > WINDOW_SECONDS - 120
    world.clock.pass_(WINDOW_SECONDS)
    assert fail(throttle, email, source())


def test_what_is_not_a_wrong_password_counts_nothing(throttle: Throttle, world: World) -> None:
    email, at = f"{uuid.uuid4().hex}@example.org", source()
    for _ in range(MOST_FAILURES + 1):
        with pytest.raises(RuntimeError), throttle.attempt(email, at):
            raise RuntimeError("the database is away")
    assert fail(throttle, email, at)


def test_counts_go_away_by_themselves(throttle: Throttle, world: World) -> None:
    email = f"{uuid.uuid4().hex}@example.org"
    fail(throttle, email, source())
    item = world.services.users.get({"id": f"failures#account#{throttle_module.digest(email)}"}) or {}
    assert 0 < item[contract.TABLE_TTL] - world.clock() <= WINDOW_SECONDS
