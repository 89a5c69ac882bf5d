"""Secrets are found in what they are hidden in, and words are no secrets."""

from __future__ import annotations

import base64

import pytest

from coderipple.secret_scan import find_secrets
from tests.lambdas.orchestrator.test_contents import GOOD

KNOWN = "the-token-of-this-function-0123456789"


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 9,
        "AKIA" + "A2B3C4D5E6F7G2H3",
        "-----BEGIN RSA PRIVATE KEY-----",
        "sk-proj-" + "a1B2" * 9,
        "xoxb-1234567890-abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "postgres://root:hunter2@db.internal/prod",
        "password = 'zK8#vQ2!mN5xR7'",
        KNOWN,
        KNOWN[::-1],
        KNOWN.encode().hex(),
        base64.b64encode(f"xx{KNOWN}yy".encode()).decode(),
        base64.b64encode(f"x{KNOWN}".encode()).decode(),
        " ".join(KNOWN),
        "\u200b".join(KNOWN),
        KNOWN.replace("-", "%2d"),
        KNOWN.replace("-", "%252d"),
        KNOWN.replace("-", "\\-"),
        KNOWN.upper(),
        ".".join(KNOWN),
        f"&#116;{KNOWN[1:]}",
        f"&#x0000074;{KNOWN[1:]}",
        "\u00ad".join(KNOWN),
        "\u2062".join(KNOWN),
        "\ufe0f".join(KNOWN),
        "".join(chr(ord(letter) + 0xFEE0) for letter in KNOWN),
        ":".join(f"{byte:02X}" for byte in KNOWN.encode()),
        f"{KNOWN[:10]}**{KNOWN[10:]}",
    ],
)
def test_secrets_are_found_in_what_they_are_hidden_in(text: str) -> None:
    found = find_secrets(f"# Title\n\nSee {text} for more.\n", [KNOWN])
    assert found
    assert text not in " ".join(found)


GITHUB = "ghp_" + "a1B2" * 9
PASSWORD = "zK8#vQ2!mN5xR7"


@pytest.mark.parametrize(
    "text",
    [
        GITHUB.replace("_", "\\_"),
        ("github_pat_" + "a1B2_" * 9).replace("_", "\\_"),
        f"&#103;{GITHUB[1:]}",
        GITHUB.replace("_", "&lowbar;"),
        f"{GITHUB[:6]}\u200b{GITHUB[6:]}",
        f"{GITHUB[:6]}\u00ad{GITHUB[6:]}",
        f"{GITHUB[:6]}<!-- -->{GITHUB[6:]}",
        f"{GITHUB[:6]}**{GITHUB[6:]}",
        f"{GITHUB[:15]}\n{GITHUB[15:]}",
        f"> {GITHUB[:15]}  \n> {GITHUB[15:]}",
        GITHUB.replace("_", "%5F"),
        "".join(chr(ord(letter) + 0xFEE0) for letter in GITHUB),
        f"| password | {PASSWORD} |",
        f"| password | `{PASSWORD}` |",
        f"**Password:** {PASSWORD}",
        f"**Password**: {PASSWORD}",
        f"password: `{PASSWORD}`",
        f"The password is {PASSWORD}",
        f"Password:\n\n{PASSWORD}",
        "npm_" + "a1B2" * 9,
        "glpat-" + "a1B2" * 5,
        "hf_" + "a1B2" * 9,
        "pypi-AgEIcHlwaS5vcmc" + "a1B2" * 9,
        "SG." + "a1B2c" * 4 + "." + "a1B2" * 10,
        "whsec_" + "a1B2" * 8,
        "Authorization: Bearer " + "a1B2c3" * 7,
        "AccountKey=" + "a1B2c3D4" * 11 + "==",
        "https://hooks.slack.com/services/T00000000/B00000000/" + "a1B2" * 6,
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    ],
)
def test_keys_are_found_by_their_form_whatever_masks_them(text: str) -> None:
    assert find_secrets(f"# Title\n\nSee {text} for more.\n", [])


@pytest.mark.parametrize(
    "text",
    [
        "password: <your password>",
        "password: `$DATABASE_PASSWORD_1`",
        "**Password:** at least 12 characters, one of them a digit",
        "| token | string | the token of /v1/sessions |",
        "| `api_key` | `CODERIPPLE_API_KEY_2` | where it is read from |",
        "Token: https://example.com/docs/v1/tokens",
        "Set it to `sk-…`, `sk-...` or `ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`.",
        "Authorization: Bearer <token>",
        "Authorization: Bearer $TOKEN",
        "The token is base64-encoded, the secret is rotated-every-30-days.",
        "the disk-\nencryption-configuration of a task-\nrunner-configuration-file",
        "AKIA\nNIGERIANAMESABCDEF",
    ],
)
def test_placeholders_and_words_are_no_secrets(text: str) -> None:
    assert find_secrets(f"# Title\n\n{text}\n", [KNOWN]) == []


def test_what_is_no_secret_is_none() -> None:
    assert find_secrets(GOOD, [KNOWN]) == []
    assert find_secrets("Set `API_KEY=<your key>` and `password: changeme-please`.\n", [KNOWN]) == []
    example = "AKIA" + "IOSFODNN7EXAMPLE".replace("8", "7")
    assert find_secrets(f"{GOOD}{example}", [], f"Use {example}.") == []
    assert find_secrets(f"{GOOD}{GITHUB}", [], f"Use {GITHUB.replace('_', chr(92) + '_')}.") == []


def test_a_find_is_told_by_its_line() -> None:
    assert find_secrets(f"# Title\n\n{GITHUB}\n", []) == ["a GitHub token, line 3"]
    assert find_secrets(f"# Title\n\npassword:\n{PASSWORD}\n", []) == ["an assigned secret, line 4"]
