"""A secret that others use, too, and that is rotated: its value, and for an hour the one before it.

Owns what counts as "before": Secrets Manager's stage AWSPREVIOUS, or the parameter's last version; and since when.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lambdas.shared.key_values import key_of
from lambdas.shared.secret import Secret, SecretError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GRACE_SECONDS = 3_600
"""After a rotation, in which the value before it is accepted."""
AGAIN_SECONDS = 15
"""Between two looks at what is stored, however many wrong values come meanwhile."""


class RotatedSecret:
    """A secret whose holder elsewhere may still have the value before."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        *,
        function: str,
        form: Callable[[str, str], str] = key_of,
    ) -> None:
        """As for `Secret`."""
        self._secret = Secret(name, environment, function=function, form=form)
        self._looked = float("-inf")
        self._previous: str | None = None
        self._previous_until = 0.0

    def prepare(self) -> None:
        """As for `Secret`."""
        self._secret.prepare()

    def accepted(self) -> Iterator[str]:
        """Yield the values that count, the likeliest first; each is read when it is asked for.

        Raises:
            SecretError: the current one cannot be read.
        """
        yield self._secret.value()
        now = time.monotonic()
        if now - self._looked >= AGAIN_SECONDS:
            self._looked = now
            rotated = self._secret.refresh()
            self._look_back()
            if rotated:
                yield self._secret.value()
        if self._previous is not None and time.time() < self._previous_until:
            yield self._previous

    def _look_back(self) -> None:
        """Read what was before, where it still counts."""
        self._previous = None
        try:
            found = self._secret.before()
        except SecretError:  # of no use, so the current value counts alone
            return
        if found is not None:
            self._previous, replaced = found
            self._previous_until = replaced + GRACE_SECONDS
