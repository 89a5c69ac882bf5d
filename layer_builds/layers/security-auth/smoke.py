"""Real calls through what this layer promises: a token that ends, keys that change, a password's hash.

Runs with the standard library, this layer, those before it and the runtime's boto3, on the target's CPU, with no
network. The modules that it imports are those shipped with bytecode, so it goes the way the function goes.
"""

# ruff: noqa: S101 - every call imports what it tries, and an assertion is its verdict

import time
from importlib.metadata import version


def tokens() -> None:
    """A token of a right key is read; one of another key, one that has ended, and one without a signature are not."""
    import jwt

    key, other = "k" * 32, "o" * 32
    claims = {"sub": "me", "iat": int(time.time()), "exp": int(time.time()) + 60, "aud": "access"}
    token = jwt.encode(claims, key, algorithm="HS256")
    assert jwt.decode(token, key, algorithms=["HS256"], audience="access", options={"require": ["exp"]}) == claims
    for wrong in (
        jwt.encode(claims, other, algorithm="HS256"),
        jwt.encode({**claims, "exp": 1}, key, algorithm="HS256"),
        jwt.encode(claims, "", algorithm="none"),
    ):
        try:
            jwt.decode(wrong, key, algorithms=["HS256"], audience="access")
        except jwt.InvalidTokenError:
            continue
        raise AssertionError("a wrong token was accepted")


def passwords() -> None:
    """A hash is of argon2id, knows its password and no other, and says when it is of older parameters."""
    from argon2 import PasswordHasher
    from argon2.exceptions import VerifyMismatchError

    hasher = PasswordHasher(time_cost=1, memory_cost=1_024, parallelism=1)
    kept = hasher.hash("correct horse")
    assert kept.startswith("$argon2id$")
    assert hasher.verify(kept, "correct horse")
    assert not hasher.check_needs_rehash(kept)
    assert PasswordHasher().check_needs_rehash(kept)
    try:
        hasher.verify(kept, "another")
    except VerifyMismatchError:
        return
    raise AssertionError("a wrong password was accepted")


def smoke() -> dict[str, str]:
    """Make every call; return the versions that answered."""
    tokens()
    passwords()
    return {name: version(name) for name in ("pyjwt", "argon2-cffi", "argon2-cffi-bindings")}
