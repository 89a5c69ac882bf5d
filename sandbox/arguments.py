"""Types of command-line arguments."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """A whole number within bounds.

    Args:
        least: the smallest.
        most: the largest; None is no bound.
    """
    rule = f"a whole number from {least}" + ("" if most is None else f" to {most}")

    def number(text: str) -> int:
        with contextlib.suppress(ValueError):
            value = int(text)
            if least <= value and (most is None or value <= most):
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not {rule}")

    return number
