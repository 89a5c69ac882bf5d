"""Where Supabase is, and the key: JSON in a SecureString. Read by `lambdas.shared.secret`, checked here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lambdas.embedding_processor.contract import SUPABASE_CONFIG
from lambdas.shared.key_values import KeyFormError, key_of
from lambdas.shared.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

URL: Final = re.compile(r"https?://[\w.-]+(:\d+)?/?")
PUBLISHABLE: Final = "sb_publishable_"
"""What the keys begin with that a browser may have."""


@dataclass(frozen=True, slots=True)
class SupabaseConfig:
    """A project's address, and a key that may write."""

    url: str
    key: str = field(repr=False)


def secret_of(parameter: str, environment: Mapping[str, str], *, function: str) -> Secret:
    """The secret that holds the configuration.

    Args:
        parameter: the SecureString's name.
        environment: the function's variables.
        function: its name in the stack.
    """
    plain = "" if "AWS_LAMBDA_FUNCTION_NAME" in environment else environment.get(SUPABASE_CONFIG, "")
    named = {f"{SUPABASE_CONFIG}_PARAMETER": "" if plain else parameter}
    return Secret(SUPABASE_CONFIG, {**environment, **named}, function=function, form=checked)


def checked(_name: str, stored: str) -> str:
    """What is stored, when it is what it has to be; the form of `lambdas.shared.secret`.

    Raises:
        KeyFormError: it is not; says why, without a word of it.
    """
    parsed(stored)
    return stored


def parsed(stored: str) -> SupabaseConfig:
    """Read the stored JSON.

    Args:
        stored: `{"url": …, "service_key": …}`.

    Raises:
        KeyFormError: it is something else; says why, to follow the name.
    """
    if not stored.strip():
        raise KeyFormError('is empty: store {"url": "https://….supabase.co", "service_key": "…"}')
    try:
        value = json.loads(stored)
        url, key = value["url"], value["service_key"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise KeyFormError('is not a JSON object with "url" and "service_key"') from None
    if not isinstance(url, str) or URL.fullmatch(url) is None:
        raise KeyFormError('has a "url" that is not the address of a project, such as https://abcd.supabase.co')
    if not isinstance(key, str) or not key.strip():
        raise KeyFormError('has a "service_key" that is empty')
    if key.startswith(PUBLISHABLE):
        raise KeyFormError(
            'has a publishable key as "service_key", which may not write: store the secret key (sb_secret_…)'
        )
    return SupabaseConfig(url.rstrip("/"), key_of("SERVICE_KEY", key))
