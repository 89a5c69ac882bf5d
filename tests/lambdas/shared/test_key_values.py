"""A stored value, and the key that is in it."""

from __future__ import annotations

import json

import pytest

from lambdas.shared.key_values import KeyFormError, check_form, key_of, signing_keys_of

KEY = "sk-proj-abc_DEF-123="


@pytest.mark.parametrize(
    "stored",
    [
        KEY,
        f"{KEY}\n",
        f'{{"OPENAI_API_KEY":"{KEY}"}}',
        f'{{"anything": " {KEY} "}}',
        f' {{"user": "u", "OPENAI_API_KEY": "{KEY}"}}',
    ],
)
def test_a_key_is_read_from_the_forms_that_it_is_stored_in(stored: str) -> None:
    assert key_of("OPENAI_API_KEY", stored) == KEY


@pytest.mark.parametrize(
    "key",
    [
        "MFRGG===",
        "AbCdEfGhIjKlMnOpQrStUvWxYzabcdefghijklmnopq=",
        "ab1=cd",
        "AKIA1234:secret",
        "eyJhbGciOi.eyJpc3Mi.sig_nature=",
        "sk-proj-A1b2_C3d4-E5f6",
        "sk-ant-api03-A1b2_C3d4-E5f6-AA",
        "pcsk_4Jh2_AbCdEf",
        "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "sb_secret_AbCd_EfGh",
        "github_pat_11ABCDEFG0_abcdefghij",
        "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
        "nullable",
    ],
)
def test_keys_may_look_like_many_things(key: str) -> None:
    assert key_of("X_KEY", key) == key


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ('{"OPENAI_API_KEY": ""}', "is empty"),
        (f'"{KEY}"', "quotation mark"),
        (f"'{KEY}'", "quotation mark"),
        (f'{{"OPENAI_API_KEY": "\\"{KEY}\\""}}', "quotation mark"),
        (f"OPENAI_API_KEY={KEY}", "is an assignment"),
        (f"export OPENAI_API_KEY = {KEY}", "is an assignment"),
        ("OPENAI_API_KEY=", "is an assignment"),
        ("export OPENAI_API_KEY=\n", "is an assignment"),
        (f"KEY={KEY}", "is an assignment"),
        (f"APIKEY={KEY}", "is an assignment"),
        (f"apikey: {KEY}", "is an assignment"),
        (f"OPENAI-API-KEY={KEY}", "is an assignment"),
        (f"OPENAI_API_KEY:{KEY}", "is an assignment"),
        (f"Bearer:{KEY}", "is an assignment"),
        (f"openai={KEY}", "is an assignment"),
        (f'["{KEY}"]', "brackets, quotation marks"),
        (json.dumps({"a": json.dumps({"b": KEY})}), "spaces"),
        (json.dumps({"a": json.dumps({"b": KEY}, separators=(",", ":"))}), "brackets, quotation marks"),
        ("${OPENAI_API_KEY}", "brackets, quotation marks"),
        ("$OPENAI_API_KEY", "brackets, quotation marks"),
        ("<your-key>", "brackets, quotation marks"),
        ("null", "stands for nothing"),
        ("True", "stands for nothing"),
        ('{"OPENAI_API_KEY": "null"}', "stands for nothing"),
        ('{"OPENAI_API_KEY": null}', "without an entry"),
        (f'OPENAI_API_KEY="{KEY}"', "quotation mark"),
        (f"{KEY} {KEY}", "spaces, control or non-ASCII"),
        (f"{KEY}\n{KEY}", "spaces, control or non-ASCII"),
        ("schlüssel", "spaces, control or non-ASCII"),
        ('{"a": "1", "b": "2"}', "without an entry OPENAI_API_KEY"),
        ("{}", "without an entry OPENAI_API_KEY"),
        ('{"OPENAI_API_KEY": 42}', "whose entry is not a string"),
        ('{"OPENAI_API_KEY": {"value": "x"}}', "whose entry is not a string"),
        ('{"OPENAI_API_KEY": "sk', "not valid JSON"),
        ("{" * 100_000, "not valid JSON"),
    ],
)
def test_what_is_no_key_is_refused_without_being_shown(stored: str, said: str) -> None:
    with pytest.raises(KeyFormError) as refused:
        key_of("OPENAI_API_KEY", stored)
    assert said in str(refused.value)
    assert KEY not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_only_keys_have_to_be_keys() -> None:
    for name in ("OPENAI_API_KEY", "GITHUB_TOKEN", "JWT_SECRET_KEY"):
        with pytest.raises(KeyFormError):
            check_form(name, "two words")
    check_form("GITHUB_WEBHOOK_SECRET", "two words")


@pytest.mark.parametrize("text", ["p$ss<w>o[r]d", "abc:def", "null"])
def test_what_its_owner_makes_up_may_have_any_characters(text: str) -> None:
    """AWS's generator of passwords uses all of them."""
    long = text.ljust(32, "x")
    assert key_of("GITHUB_WEBHOOK_SECRET", text) == text
    assert signing_keys_of("JWT_SECRET_KEY", long) == [long]


FIRST, SECOND = "a" * 32, "b" * 40


@pytest.mark.parametrize(
    ("stored", "keys"),
    [
        (f"{FIRST}\n", [FIRST]),
        (json.dumps({"JWT_SECRET_KEY": FIRST}), [FIRST]),
        (json.dumps({"current": FIRST}), [FIRST]),
        (json.dumps({"current": FIRST, "previous": ""}), [FIRST]),
        (json.dumps({"previous": SECOND, "current": FIRST}), [FIRST, SECOND]),
    ],
)
def test_signing_keys_are_one_or_a_pair(stored: str, keys: list[str]) -> None:
    assert signing_keys_of("JWT_SECRET_KEY", stored) == keys
    check_form("JWT_SECRET_KEY", stored)


@pytest.mark.parametrize(
    "stored",
    [
        "x" * 31,
        json.dumps({"current": FIRST, "previous": "x" * 31}),
        json.dumps({"current": FIRST, "previous": 1}),
        json.dumps({"current": ["x"]}),
        json.dumps({"current": ""}),
        json.dumps({"previous": FIRST}),
        json.dumps({"current": FIRST, "next": SECOND}),
        "{",
        "{" * 9_999,
        "",
    ],
)
def test_what_cannot_sign_is_refused_without_being_shown(stored: str) -> None:
    with pytest.raises(KeyFormError) as refused:
        signing_keys_of("JWT_SECRET_KEY", stored)
    assert FIRST not in str(refused.value)
    assert "x" * 31 not in str(refused.value)
