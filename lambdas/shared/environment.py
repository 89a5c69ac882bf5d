"""A function's environment variables, read with nothing but the standard library.

For functions that would otherwise import pydantic for this alone: it is a fifth of such a function's start.
`variables.py` is for those that have it loaded anyway.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lambdas.shared.contract import Variable

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

    def required(self, name: str, *, pattern: str = r".+", rule: str = "") -> str:
        """A text that has to be set, and that a pattern matches whole.

        Args:
            name: of the variable.
            pattern: a regular expression.
            rule: what it means, for whoever reads the problem: `it has to …`.
        """
        found = self.optional(name, pattern=pattern, rule=rule)
        if found is None and not self._environment.get(name):
            self.problems.append(f"{name} is not set")
        return found or ""

    def text(self, variable: Variable[str], *, pattern: str, rule: str) -> str:
        """The same, of one that has a default."""
        return self.optional(variable, pattern=pattern, rule=rule) or variable.default

    def optional(self, name: str, *, pattern: str, rule: str) -> str | None:
        """The same, of a variable that may be unset: None."""
        value = self._environment.get(name) or None
        if value is not None and not re.fullmatch(pattern, value):
            self.problems.append(f"{name} is {value!r}: {rule}")
            return None
        return value

    def choice(self, variable: Variable[str], choices: Collection[str]) -> str:
        """One of a few words."""
        value = self._environment.get(variable) or variable.default
        if value not in choices:
            self.problems.append(f"{variable} is {value!r}: it has to be one of {', '.join(choices)}")
            return variable.default
        return value

    def number(self, variable: Variable[int]) -> int:
        """A whole number within the variable's bounds; without a lower one it is at least 1."""
        value = self._environment.get(variable) or str(variable.default)
        least, most = 1 if variable.at_least is None else variable.at_least, variable.at_most
        whole = value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS
        if not whole or not least <= int(value) <= (int(value) if most is None else most):
            also = "" if most is None else f" and at most {most}"
            self.problems.append(f"{variable} is {value!r}: it has to be a whole number of at least {least}{also}")
            return variable.default
        return int(value)

    def check(self) -> None:
        """Say what is wrong.

        Raises:
            VariablesError: names every wrong variable, its value and the rule.
        """
        if self.problems:
            raise VariablesError("; ".join(self.problems))
