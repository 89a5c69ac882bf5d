"""Access tokens: which count, and for how long; the rotation of the key that signs them."""

from __future__ import annotations

import base64
import json
import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lambdas.knowledge_base.accounts.tokens import AUDIENCE, ISSUER, key_id
from lambdas.knowledge_base.errors import UnauthorizedError
from tests.lambdas.knowledge_base.world import SIGNING_KEY

if TYPE_CHECKING:
    from tests.lambdas.knowledge_base.world import SignedIn, World

OTHER_KEY = "another-signing-key-of-the-tests-0123456789"
THIRD_KEY = "a-third-signing-key-of-the-tests-01234567890"


@pytest.fixture
def world(shared_world: World) -> World:
    """A new environment with a key and a clock of its own."""
    arn = shared_world.account.client("secretsmanager").create_secret(
        Name=f"JWT-{uuid.uuid4().hex[:8]}", SecretString=SIGNING_KEY
    )["ARN"]
    return shared_world.restarted(JWT_SECRET_KEY_SECRET_ARN=arn)


def counts(world: World, token: str) -> bool:
    """Whether a token counts."""
    try:
        world.services.accounts.user_of(token)
    except UnauthorizedError:
        return False
    return True


def claims(world: World, user: SignedIn, **changes: Any) -> dict[str, Any]:
    """What a token of a user says, with changes; None leaves a claim out."""
    now = int(world.clock())
    made = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user.id,
        "email": user.email,
        "iat": now,
        "exp": now + 600,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_counts_for_15_minutes_at_most(world: World) -> None:
    user = world.user()
    token = user.tokens["access_token"]
    assert counts(world, token)
    world.clock.pass_(user.tokens["expires_in"] - 5)
    assert counts(world, token)
    world.clock.pass_(10)
    assert not counts(world, token)


def test_a_token_says_who_and_until_when_and_which_key(shared_world: World, user: SignedIn) -> None:
    token = user.tokens["access_token"]
    header = jwt.get_unverified_header(token)
    assert header == {"alg": "HS256", "typ": "JWT", "kid": key_id(SIGNING_KEY)}
    read = jwt.decode(token, SIGNING_KEY, algorithms=["HS256"], audience=AUDIENCE)
    assert read.keys() == {"iss", "aud", "sub", "email", "iat", "exp"}
    assert read["exp"] - read["iat"] <= 900


@pytest.mark.parametrize(
    "change",
    [
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"iss": None},
        {"aud": None},
        {"email": None},
        {"iss": "somebody else"},
        {"aud": "something else"},
        {"aud": ["a", "b"]},
        {"email": 7},
        {"sub": 7},
        {"sub": ""},
        {"sub": "../../documents"},
        {"sub": "0" * 500},
        {"nbf": 10**10},
        {"nbf": 1e400},
        {"nbf": {}},
        {"exp": "soon"},
        {"exp": 1e400},
        {"exp": -1},
        {"exp": [1]},
        {"iat": "now"},
        {"iat": {"a": 1}},
    ],
    ids=str,
)
def test_a_claim_that_is_missing_or_wrong_is_a_401_whoever_signed_it(
    shared_world: World, user: SignedIn, change: dict[str, Any]
) -> None:
    assert not counts(shared_world, _signed(claims(shared_world, user, **change)))


def _signed(body: dict[str, Any]) -> str:
    return jwt.api_jws.encode(json.dumps(body).encode(), SIGNING_KEY, "HS256", headers={"kid": key_id(SIGNING_KEY)})


def test_a_token_that_was_signed_to_live_for_years_does_not(world: World) -> None:
    user = world.user()
    token = _signed(claims(world, user, exp=int(world.clock()) + 10**9))
    assert counts(world, token)
    world.clock.pass_(901)
    assert not counts(world, token)
    now = int(world.clock())
    assert not counts(world, _signed(claims(world, user, iat=now + 3600, exp=now + 7200)))


@cache
def private_key() -> bytes:
    """An RSA key."""
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def hostile(world: World, user: SignedIn) -> dict[str, str]:
    """Tokens that must not count."""
    good = user.tokens["access_token"]
    header, body, signature = good.split(".")
    kid = {"kid": key_id(SIGNING_KEY)}
    extended = {"alg": "HS256", "crit": ["b64"], "b64": False, **kid}
    wanted = claims(world, user)
    other = part({**wanted, "sub": "01h00000000000000000000000"})
    return {
        "none": f"{part({'alg': 'none', 'typ': 'JWT', **kid})}.{body}.",
        "None": f"{part({'alg': 'None', 'typ': 'JWT', **kid})}.{body}.",
        "none, with the signature": f"{part({'alg': 'none', **kid})}.{body}.{signature}",
        "another algorithm": jwt.encode(wanted, SIGNING_KEY, "HS512", headers=kid),
        "the right key, another algorithm": jwt.encode(wanted, SIGNING_KEY, "HS384", headers=kid),
        "RSA": jwt.encode(wanted, private_key(), "RS256", headers=kid),
        "another key": jwt.encode(wanted, OTHER_KEY, "HS256", headers={"kid": key_id(OTHER_KEY)}),
        "another key under our name": jwt.encode(wanted, OTHER_KEY, "HS256", headers=kid),
        "no key's name": jwt.encode(wanted, SIGNING_KEY, "HS256"),
        "an empty key": f"{part({'alg': 'HS256', **kid})}.{body}.47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "a key's name that is no text": f"{part({'alg': 'HS256', 'kid': {'a': 1}})}.{body}.{signature}",
        "a file's name": f"{part({'alg': 'HS256', 'kid': '../../dev/null'})}.{body}.{signature}",
        "another user": f"{header}.{other}.{signature}",
        "a changed signature": f"{header}.{body}.{'A' * len(signature)}",
        "no signature": f"{header}.{body}.",
        "two parts": f"{header}.{body}",
        "four parts": f"{good}.{signature}",
        "an extension that must be understood": f"{part(extended)}.{body}.{signature}",
        "space": f"{good} {good}",
        "nothing": "",
        "text": "hello",
        "very long": "a" * 100_000,
        "deep JSON": f"{base64.urlsafe_b64encode(b'[' * 1000).decode()}.{body}.{signature}",
        "a refresh token": user.tokens["refresh_token"],
    }


def test_no_token_counts_that_we_did_not_make(shared_world: World, user: SignedIn) -> None:
    assert counts(shared_world, user.tokens["access_token"])
    for name, token in hostile(shared_world, user).items():
        assert not counts(shared_world, token), name


# Rotation


def store(world: World, value: str) -> None:
    world.account.client("secretsmanager").put_secret_value(
        SecretId=world.environment["JWT_SECRET_KEY_SECRET_ARN"], SecretString=value
    )


def test_a_rotated_key_signs_at_once_elsewhere_and_both_count_for_an_hour(world: World) -> None:
    running = world
    before = running.user()
    store(world, OTHER_KEY)
    fresh = running.restarted()  # another environment, which starts after the rotation
    after = fresh.sign_in(before.email)
    assert jwt.get_unverified_header(after.tokens["access_token"])["kid"] == key_id(OTHER_KEY)
    # The running one has the old key in its cache and meets a token of the new one.
    assert counts(running, after.tokens["access_token"])
    assert counts(running, before.tokens["access_token"])
    assert counts(fresh, before.tokens["access_token"]), "AWSPREVIOUS counts as previous"
    assert jwt.get_unverified_header(running.sign_in(before.email).tokens["access_token"])["kid"] == key_id(OTHER_KEY)


def test_a_pair_of_keys_signs_with_the_first_and_takes_both(world: World) -> None:
    before = world.user()
    store(world, THIRD_KEY)  # what AWS calls previous afterwards is neither of the pair
    store(world, json.dumps({"current": OTHER_KEY, "previous": SIGNING_KEY}))
    fresh = world.restarted()
    assert counts(fresh, before.tokens["access_token"])
    after = fresh.sign_in(before.email)
    assert jwt.get_unverified_header(after.tokens["access_token"])["kid"] == key_id(OTHER_KEY)
    store(world, json.dumps({"current": OTHER_KEY}))
    store(world, OTHER_KEY)
    without = world.restarted()
    assert not counts(without, before.tokens["access_token"])
    assert counts(without, after.tokens["access_token"])


def test_a_parameter_can_hold_the_key_too(world: World) -> None:
    name = f"/strata/{uuid.uuid4().hex}"
    ssm = world.account.client("ssm")
    ssm.put_parameter(Name=name, Value=SIGNING_KEY, Type="SecureString")
    other = world.restarted(JWT_SECRET_KEY_SECRET_ARN="", JWT_SECRET_KEY_PARAMETER=name)
    user = other.user()
    ssm.put_parameter(Name=name, Value=OTHER_KEY, Type="SecureString", Overwrite=True)
    fresh = other.restarted()
    assert counts(fresh, user.tokens["access_token"])
    assert counts(fresh, fresh.sign_in(user.email).tokens["access_token"])


@pytest.mark.parametrize(
    "stored", ["short", "x" * 31, '{"current": "short"}', '{"current": ""}', '{"current": 7}', "{}"]
)
def test_a_key_that_is_too_short_or_none_signs_nothing(
    world: World, stored: str, caplog: pytest.LogCaptureFixture
) -> None:
    email = world.user().email
    store(world, stored)
    fresh = world.restarted()
    answer = fresh.somewhere().post("/auth/login", json={"email": email, "password": "correct horse battery staple"})
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_configured"
    assert "JWT_SECRET_KEY" not in answer.text
    said = str([vars(entry) for entry in caplog.records if entry.message == "not configured"])
    assert "JWT_SECRET_KEY" in said
    assert "ops secret set" in said
    assert stored in ("{}", "short") or stored not in said
