"""How a config key is declared: its meaning, its bounds, and where its value goes.

Owns what a field says beside its type. From that follow the function's environment, the names that config may not
take, the planned size of the environment, the secrets, and docs/config.md. Each is written nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import AfterValidator, Field

from lambdas.shared.contract import Variable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from components.limits import Limit

MISSING: Any = ...
"""The default of a key that every stack must set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a field says beside its type and bounds."""

    variable: str = ""
    """The environment variable that its value becomes."""
    secret: str = ""
    """The secret that its reference is of, by the contract's name."""
    link: str = ""
    """Where AWS states the bounds."""
    hidden: bool = False
    """Not repeated in messages: a secret may have been put there by mistake."""


def facts(field: FieldInfo) -> Facts:
    """Return what a field was declared with."""
    extra = field.json_schema_extra
    known = cast("dict[str, Any]", extra).get("facts") if isinstance(extra, dict) else None
    return known if isinstance(known, Facts) else Facts()


def key(
    description: str,
    *,
    default: Any = MISSING,
    limit: Limit | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    hidden: bool = False,
) -> Any:
    """Declare a key that the program itself uses.

    Args:
        description: What it means, as a sentence of docs/config.md.
        default: Of a key that can be left out; a callable makes one.
        limit: AWS's range, instead of the two bounds.
        at_least: The lowest value.
        at_most: The highest value.
        hidden: Do not repeat its value in messages.
    """
    about = Facts(link=limit.link if limit else "", hidden=hidden)
    low, high = (limit.low, limit.high) if limit is not None else (at_least, at_most)
    return _field(description, default, about, low, high)


def variable(name: str, description: str, *, default: Any = MISSING, at_least: float | None = None) -> Any:
    """Declare a key whose value becomes an environment variable of the function; None and "" set none.

    Args:
        name: The variable, as the contract has it: default and bounds come with it.
        description: As for `key`.
        default: Where the contract has none and the key can be left out.
        at_least: The lowest value, where a stack has a higher one than the function.
    """
    if isinstance(name, Variable):
        known = cast("Variable[Any]", name)
        low = known.at_least if at_least is None else at_least
        return _field(description, known.default, Facts(variable=str(known)), low, known.at_most)
    return _field(description, default, Facts(variable=name), at_least, None)


def secret(name: str) -> Any:
    """Declare a reference to a secret; its type is `SecretReference | None`, and unset makes an empty secret.

    Args:
        name: The contract's name: the function gets `<name>_SECRET_ARN` or `<name>_PARAMETER`.
    """
    description = f"{name}: `{{secret_arn: …}}` or `{{parameter: …}}`; unset makes an empty secret."
    return _field(description, None, Facts(secret=name, hidden=True), None, None)


def parameter(name: str, holder: Variable[str], description: str) -> Any:
    """Declare the name of a parameter that holds a secret, where the function has it in a variable of another name.

    Args:
        name: The contract's name of the secret.
        holder: The variable that holds the parameter's name.
        description: As for `key`.
    """
    return _field(description, holder.default, Facts(secret=name, variable=str(holder)), None, None)


def form(pattern: str, rule: str) -> AfterValidator:
    """Return what a text's type is annotated with to have one form.

    Args:
        pattern: What the whole text matches.
        rule: What is said of a text that does not: `it must be …`.
    """

    def checked(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(rule)
        return value

    return AfterValidator(checked)


def variable_text(value: object) -> str | None:
    """Return a config value as an environment variable holds it; None for one that sets no variable."""
    match value:
        case None | "":
            return None
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ",".join(map(str, cast("list[object]", value))) or None
        case _:
            return str(value)


def _field(description: str, default: Any, about: Facts, low: float | None, high: float | None) -> Any:
    # Pydantic keeps what it does not know in a dict of JSON; this one is never written out.
    extra: Any = {"facts": about}
    if callable(default):
        return Field(default_factory=default, ge=low, le=high, description=description, json_schema_extra=extra)
    return Field(default=default, ge=low, le=high, description=description, json_schema_extra=extra)
