"""The function's configuration: its environment variables, read and checked in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.image_processor.contract import DEFAULT_MEMORY_MB, MAX_FILE_BYTES, MAX_PIXELS, PARENT_MEMORY_BYTES
from lambdas.shared.contract import Variable
from lambdas.shared.environment import Variables, VariablesError

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTION = "image_processor"
MEMORY = Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", DEFAULT_MEMORY_MB)
"""Megabytes; set by Lambda."""


class ConfigurationError(Exception):
    """Nothing can succeed until somebody changes the configuration."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of what is worked on."""

    max_file_bytes: int
    max_pixels: int
    memory_bytes: int

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables; an empty one counts as unset.

        Raises:
            ConfigurationError: names every wrong variable at once.
        """
        read = Variables(environment)
        found = cls(
            read.number(MAX_FILE_BYTES),
            read.number(MAX_PIXELS),
            read.number(MEMORY) * 1024 * 1024,
        )
        if found.memory_bytes <= PARENT_MEMORY_BYTES:
            read.problems.append(f"the function's memory has to be over {PARENT_MEMORY_BYTES // 1024**2} MB")
        try:
            read.check()
        except VariablesError as error:
            raise ConfigurationError(str(error)) from None
        return found
