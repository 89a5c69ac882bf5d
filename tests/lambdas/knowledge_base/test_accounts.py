"""Accounts: registering, signing in and out, refreshing; and that nobody learns who has one."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.knowledge_base import contract, identifiers
from lambdas.knowledge_base.accounts import addresses
from lambdas.knowledge_base.accounts.passwords import Passwords
from tests.lambdas.knowledge_base.world import PASSWORD

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import SignedIn, World

DAY = 24 * 60 * 60


def address() -> str:
    return f"{uuid.uuid4().hex[:20]}@example.org"


def register(world: World, email: str, password: str = PASSWORD) -> Any:
    return world.client.post("/auth/register", json={"email": email, "password": password})


def login(world: World, email: str, password: str = PASSWORD) -> Any:
    return world.somewhere().post("/auth/login", json={"email": email, "password": password})


def refresh(world: World, token: str) -> Any:
    return world.client.post("/auth/refresh", json={"refresh_token": token})


def test_whoever_registers_signs_in_and_is_known_by_their_token(shared_world: World, user: SignedIn) -> None:
    known = shared_world.services.accounts.user_of(user.tokens["access_token"])
    assert (known.id, known.email) == (user.id, user.email)
    assert user.tokens["token_type"] == "bearer"
    assert 0 < user.tokens["expires_in"] <= 900
    assert set(user.tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}


def test_a_taken_address_is_answered_as_a_new_one_and_its_account_is_left_alone(shared_world: World) -> None:
    email = address()
    first, second = register(shared_world, email), register(shared_world, email, "another password of mine")
    assert first.status_code == second.status_code == 201
    assert first.json().keys() == second.json().keys() == {"user_id"}
    assert identifiers.valid(second.json()["user_id"])
    assert first.json() != second.json()
    assert {*first.headers} == {*second.headers}
    assert login(shared_world, email).status_code == 200
    assert login(shared_world, email, "another password of mine").status_code == 401


def test_two_who_register_one_address_at_once_make_one_account(shared_world: World) -> None:
    email = address()
    words = [f"password number {number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert {answer.status_code for answer in pool.map(lambda word: register(shared_world, email, word), words)} == {
            201
        }
    assert [login(shared_world, email, word).status_code for word in words].count(200) == 1


@pytest.mark.parametrize(
    "typed",
    ["USER@Example.ORG", "  user@example.org\n", "user@EXAMPLE.org", "user\uff20example.org", "\u212aser@example.org"],
)
def test_an_address_is_the_same_however_it_is_typed(typed: str) -> None:
    expected = "kser@example.org" if typed.startswith("\u212a") else "user@example.org"
    assert addresses.normal(typed) == expected


def test_an_address_with_umlauts_is_one_with_its_encoded_domain() -> None:
    assert addresses.normal("Jürgen@MÜNCHEN.de") == addresses.normal("ju\u0308rgen@xn--mnchen-3ya.de")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nobody",
        "@example.org",
        "a@b",
        "a@@example.org",
        "a b@example.org",
        "a\x00b@example.org",
        "a\u200bb@example.org",
        "a\u202eb@example.org",
        "a@example.org\nBcc: x@example.org",
        "a@exa mple.org",
        "a@-example.org",
        "a@example.123",
        ".a@example.org",
        "a..b@example.org",
        f"{'a' * 65}@example.org",
        f"a@{'b' * 64}.org",
        f"a@{'b.' * 130}org",
        "a@\u3002\u3002",
        '"a"@example.org',
    ],
)
def test_what_is_no_address_is_refused_by_name_of_the_field(shared_world: World, typed: str) -> None:
    answer = register(shared_world, typed)
    assert answer.status_code == 400
    assert answer.json() == {"error": {"code": "invalid_request", "message": "email: it has to be an e-mail address."}}


@pytest.mark.parametrize("password", ["", "123456789", "x" * 129, "\x00" * 129])
def test_a_password_has_10_to_128_characters(shared_world: World, password: str) -> None:
    answer = register(shared_world, address(), password)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("password: ")
    assert password not in answer.text or not password


@pytest.mark.parametrize(
    "password", ["x" * 10, "é" * 128, "\U0001f600" * 128, "\x00" * 10, "a\x00" + "b" * 20, " " * 10]
)
def test_every_character_of_a_password_counts(shared_world: World, password: str) -> None:
    email = address()
    assert register(shared_world, email, password).status_code == 201
    assert login(shared_world, email, password).status_code == 200
    assert login(shared_world, email, password[:-1] + "?").status_code == 401


def test_a_password_is_not_the_address(shared_world: World) -> None:
    email = address()
    for password in (email, email.upper(), f" {email} "):
        answer = register(shared_world, email, password)
        assert answer.status_code == 400
        assert "address" in answer.json()["error"]["message"]
        assert email not in answer.text


def test_a_password_is_the_same_in_either_form_of_its_characters(shared_world: World) -> None:
    email = address()
    register(shared_world, email, "zw\u00f6lf Boxk\u00e4mpfer")
    assert login(shared_world, email, "zwo\u0308lf Boxka\u0308mpfer").status_code == 200


def test_a_closed_registration_says_so_to_everybody(shared_world: World) -> None:
    closed = shared_world.restarted(**{contract.REGISTRATION_OPEN: "false"})
    taken = address()
    register(shared_world, taken)
    answers = [register(closed, email) for email in (taken, address())]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["error"]["code"] == "registration_closed"
    assert login(closed, taken).status_code == 200


def test_a_wrong_password_and_no_account_are_one_answer_and_the_same_work(
    shared_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = shared_world.restarted()
    email = address()
    register(world, email)
    work: list[str] = []
    events = world.services.dynamodb.meta.events
    events.register("before-call.dynamodb.*", lambda model, **_: work.append(model.name))
    hasher = world.passwords._hasher
    verify = type(hasher).verify

    def counted(self: Any, stored: str, password: str) -> Any:
        work.append(stored.rpartition("$")[0].rpartition("$")[0])
        return verify(self, stored, password)

    monkeypatch.setattr(type(hasher), "verify", counted)

    def seen(email: str, password: str) -> tuple[int, bytes, list[str]]:
        work.clear()
        answer = login(world, email, password)
        return answer.status_code, answer.content, list(work)

    status, _, of_a_wrong_password = seen(email, "not the password")
    assert status == 401
    assert seen(email, "not the password")[:2] == seen(address(), "not the password")[:2]
    assert seen(address(), "not the password")[2] == of_a_wrong_password


def test_the_hash_of_nobody_costs_what_a_real_one_does_and_is_nobodys() -> None:
    passwords = Passwords()
    stored = passwords.hash("a real password")
    assert passwords._of_nobody.split("$")[:4] == stored.split("$")[:4]
    assert len(passwords._of_nobody) == len(stored)
    assert not passwords.verify("", None)
    assert passwords.checked() == "argon2id$v=19$m=65536,t=3,p=4"


def test_a_hash_of_older_parameters_is_replaced_when_its_owner_signs_in(shared_world: World) -> None:
    email = address()
    register(shared_world, email)
    key = {"id": f"email#{addresses.digest(email)}"}
    before = (shared_world.services.users.get(key) or {})["password"]
    today = shared_world.restarted()
    today.services.passwords = Passwords()
    assert login(today, email).status_code == 200
    after = (shared_world.services.users.get(key) or {})["password"]
    assert "m=1024,t=1,p=1" in before
    assert "m=65536,t=3,p=4" in after
    assert login(today, email).status_code == 200


# Refresh families


def test_a_refresh_gives_the_next_pair_and_the_used_token_ends_the_family(shared_world: World, user: SignedIn) -> None:
    first = user.tokens["refresh_token"]
    second = refresh(shared_world, first)
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first
    third = refresh(shared_world, second.json()["refresh_token"])
    assert third.status_code == 200
    assert shared_world.services.accounts.user_of(third.json()["access_token"]).id == user.id
    assert refresh(shared_world, first).status_code == 401
    assert refresh(shared_world, third.json()["refresh_token"]).status_code == 401


def test_of_many_refreshes_with_one_token_at_once_one_has_an_answer(shared_world: World, user: SignedIn) -> None:
    token = user.tokens["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: refresh(shared_world, token), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert refresh(shared_world, winner.json()["refresh_token"]).status_code == 401


def test_a_used_token_ends_its_own_family_only(shared_world: World, user: SignedIn) -> None:
    elsewhere = shared_world.sign_in(user.email)
    refresh(shared_world, user.tokens["refresh_token"])
    refresh(shared_world, user.tokens["refresh_token"])
    assert refresh(shared_world, elsewhere.tokens["refresh_token"]).status_code == 200


def test_signing_out_ends_the_family_with_any_of_its_tokens(shared_world: World, user: SignedIn) -> None:
    newest = refresh(shared_world, user.tokens["refresh_token"]).json()["refresh_token"]
    for token in (user.tokens["refresh_token"], newest, "not a token", "a" * 200):
        answer = shared_world.client.post("/auth/logout", json={"refresh_token": token})
        assert (answer.status_code, answer.content) == (204, b"")
    assert refresh(shared_world, newest).status_code == 401


def test_a_refresh_token_ends_when_it_is_not_used_for_long(shared_world: World) -> None:
    world = shared_world.restarted()
    user = world.user()
    world.clock.pass_(29 * DAY)
    second = refresh(world, user.tokens["refresh_token"])
    assert second.status_code == 200
    world.clock.pass_(29 * DAY)
    third = refresh(world, second.json()["refresh_token"])
    assert third.status_code == 200
    world.clock.pass_(30 * DAY + 1)
    assert refresh(world, third.json()["refresh_token"]).status_code == 401


@pytest.mark.parametrize(
    "token", ["", "x", "a.b", f"{'a' * 22}.{'b' * 43}", f"{'a' * 22}.{'b' * 44}", "é" * 66, "\x00"]
)
def test_what_is_no_refresh_token_has_the_answer_of_a_used_one(shared_world: World, user: SignedIn, token: str) -> None:
    refresh(shared_world, user.tokens["refresh_token"])
    used = refresh(shared_world, user.tokens["refresh_token"])
    answer = refresh(shared_world, token)
    assert (answer.status_code, answer.content) == (used.status_code, used.content)


def test_the_table_has_neither_passwords_nor_tokens(world: World) -> None:
    user = world.user()
    refresh(world, user.tokens["refresh_token"])
    login(world, user.email, "a wrong password of somebody")
    items = world.account.client("dynamodb").scan(TableName=world.environment[contract.USERS_TABLE])["Items"]
    stored = str(items)
    kinds = [item["id"]["S"].rpartition("#")[0] for item in items]
    assert {*kinds} == {"email", "family", "failures#account", "failures#address"}
    family, secret = user.tokens["refresh_token"].split(".")
    for value in (PASSWORD, "a wrong password of somebody", family, secret, user.tokens["access_token"]):
        assert value not in stored
    assert not any(user.email in item["id"]["S"] for item in items)
