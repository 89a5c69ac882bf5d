"""The answer to `{"test": true}`: what a function's layers promised is there, in which version. No network call.

Owns the shape of the answer; each function says what it promises.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
from typing import TYPE_CHECKING, TypedDict, TypeGuard

from lambdas.shared.json_values import is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class HealthReport(TypedDict):
    """What a health request is answered with."""

    ok: bool
    function: str
    python: str
    architecture: str
    versions: dict[str, str]
    """Distribution to version."""
    checks: dict[str, str]
    """Check to what it found."""
    problems: list[str]


def is_health_request(event: object) -> TypeGuard[dict[str, object]]:
    """Whether an event is `{"test": true}` or `{"health": true}`, with anything beside it."""
    return is_object(event) and (event.get("test") is True or event.get("health") is True)


def report(function: str, distributions: Mapping[str, str], checks: Mapping[str, Callable[[], str]]) -> HealthReport:
    """Import everything and run the checks; a failure is a line in `problems`, not an exception.

    Args:
        function: its name.
        distributions: distribution to the module that it is imported as.
        checks: name to a call that returns what it found or raises.
    """
    versions: dict[str, str] = {}
    found: dict[str, str] = {}
    problems: list[str] = []
    for distribution, module in distributions.items():
        try:
            importlib.import_module(module)
            versions[distribution] = importlib.metadata.version(distribution)
        except Exception as error:  # noqa: BLE001  any failure of an import is what the report is for
            problems.append(f"{distribution}: {type(error).__name__}: {error}")
    for name, check in checks.items():
        try:
            found[name] = check()
        except Exception as error:  # noqa: BLE001  as above
            problems.append(f"{name}: {type(error).__name__}: {error}")
    return {
        "ok": not problems,
        "function": function,
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "versions": versions,
        "checks": found,
        "problems": problems,
    }
