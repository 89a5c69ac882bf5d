"""SPDX expressions, and which kind of licence each is.

The kinds come from ScanCode's categories, as the `license-expression` package ships them. What a kind means for a
product is for people: this names what they have to look at, and is no legal advice.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from license_expression import ExpressionError, ExpressionParseError, get_spdx_licensing

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("permissive", "weak copyleft", "strong copyleft", "network copyleft", "restricted", "unknown")
"""From what asks least to what asks most; `unknown` is last since nothing can be said of it."""
FLAGGED = KINDS[1:]
REFUSED = KINDS[2:]
"""Kinds that fail the command by default. Weak copyleft (MPL, LGPL, EPL) is shown and passes: it binds who changes the
package itself."""

_CATEGORIES: Mapping[str, str] = MappingProxyType(
    {
        "Permissive": "permissive",
        "Public Domain": "permissive",
        "Copyleft Limited": "weak copyleft",
        "Copyleft": "strong copyleft",
        "Source-available": "restricted",
        "Proprietary Free": "restricted",
        "Free Restricted": "restricted",
        "Commercial": "restricted",
    }
)
_NETWORK = re.compile(r"AGPL-|OSL-|EUPL-|SSPL-|CPAL-|RPL-")


@cache
def spdx_expression(text: str) -> str | None:
    """Text as a canonical SPDX expression; None when it is none."""
    try:
        parsed = _spdx().parse(text, validate=True, strict=True)
    except (ExpressionError, ExpressionParseError, AttributeError, LookupError, TypeError, ValueError, RecursionError):
        # license-expression 30.4 raises AttributeError for `MIT/Apache-2.0` and IndexError for `()`.
        return None
    return None if parsed is None else str(parsed)


@cache
def kind_of(expression: str) -> str:
    """The kind of an SPDX expression: of `OR` the least demanding (it may be chosen), of `AND` the most demanding.

    An exception (`GPL-2.0-only WITH Classpath-exception-2.0`) replaces the kind of the licence it relaxes.
    """
    return _kind(_spdx().parse(expression))


def _kind(parsed: Any) -> str:
    operator = str(getattr(parsed, "operator", "")).strip()
    if operator in {"AND", "OR"}:
        kinds = [_kind(one) for one in parsed.args]
        return (max if operator == "AND" else min)(kinds, key=KINDS.index)
    exception = getattr(parsed, "exception_symbol", None)
    return _symbol_kind(str(exception.key if exception is not None else parsed.key))


def _symbol_kind(key: str) -> str:
    return "network copyleft" if _NETWORK.match(key) else _categories().get(key.lower(), "unknown")


@cache
def _spdx() -> Any:
    """The parser of SPDX expressions; reading its list of licences takes a moment, so once."""
    return get_spdx_licensing()


@cache
def _categories() -> Mapping[str, str]:
    """SPDX identifier, lower case → kind."""
    index = resources.files("license_expression") / "data" / "scancode-licensedb-index.json"
    found: dict[str, str] = {}
    for one in cast("list[dict[str, Any]]", json.loads(index.read_text(encoding="utf-8"))):
        for key in (one.get("spdx_license_key"), *one.get("other_spdx_license_keys", [])):
            if key:
                found[str(key).lower()] = _CATEGORIES.get(str(one.get("category")), "unknown")
    return MappingProxyType(found)
