"""A function's environment variables, read with nothing but the standard library.

For functions that would otherwise import pydantic for this alone: it is a fifth of such a function's start.
`variables.py` is for those that have it loaded anyway.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MOST_DIGITS = 15


class VariablesError(Exception):
    """Variables are missing, or have values that they must not have."""


class Variables:
    """Reads variables one by one and keeps what is wrong with them, so all of it is said at once.

    An empty variable counts as unset. What is wrong is read as its default, or as nothing.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []
        """What is wrong, with the variable, its value and the rule; a reader may add to it."""

    def text(self, name: str, *, pattern: str = r".+", rule: str = "", default: str | None = None) -> str:
        """A text that a pattern matches whole; without a default it has to be set.

        Args:
            name: of the variable.
            pattern: a regular expression.
            rule: what it means, for whoever reads the problem: `it has to …`.
            default: what it is when it is not set.
        """
        found = self.optional(name, pattern=pattern, rule=rule)
        if found is None and default is None and not self._environment.get(name):
            self.problems.append(f"{name} is not set")
        return found if found is not None else default or ""

    def optional(self, name: str, *, pattern: str, rule: str) -> str | None:
        """The same, of a variable that may be unset: None."""
        value = self._environment.get(name) or None
        if value is not None and not re.fullmatch(pattern, value):
            self.problems.append(f"{name} is {value!r}: {rule}")
            return None
        return value

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        value = self._environment.get(name) or default
        if value not in choices:
            self.problems.append(f"{name} is {value!r}: it has to be one of {', '.join(choices)}")
            return default
        return value

    def number(self, name: str, default: int, *, at_least: int = 1, at_most: int | None = None) -> int:
        """A whole number within bounds, both included."""
        value = self._environment.get(name) or str(default)
        whole = value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS
        if not whole or not at_least <= int(value) <= (int(value) if at_most is None else at_most):
            most = "" if at_most is None else f" and at most {at_most}"
            self.problems.append(f"{name} is {value!r}: it has to be a whole number of at least {at_least}{most}")
            return default
        return int(value)

    def check(self) -> None:
        """Say what is wrong.

        Raises:
            VariablesError: names every wrong variable, its value and the rule.
        """
        if self.problems:
            raise VariablesError("; ".join(self.problems))
