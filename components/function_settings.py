"""The part of a function's config that is the same for every system.

Owns runtime, size, concurrency, live version and references to secrets. A system's own keys are in `systems/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from components import limits, values
from components.validation import Section, within
from layer_builds import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

COMMON_VARIABLES: Final = frozenset({"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "STRATA_STACK"})
"""What every function gets from the stack."""


class SecretReference(Section):
    """Where a secret is: exactly one of the two."""

    secret_arn: Annotated[str, AfterValidator(values.secret_arn)] | None = Field(
        default=None, description="A Secrets Manager secret, by its whole ARN."
    )
    parameter: Annotated[str, AfterValidator(values.parameter_name)] | None = Field(
        default=None, description="A Parameter Store SecureString, by its name."
    )


def one_reference(value: SecretReference) -> SecretReference:
    """Accept a reference with exactly one of its two keys."""
    if (value.secret_arn is None) == (value.parameter is None):
        raise ValueError("it must hold either secret_arn or parameter")
    return value


class FunctionSettings(Section):
    """What every function has."""

    unshown: ClassVar[frozenset[str]] = frozenset({"environment"})

    runtime: Annotated[str, AfterValidator(values.runtime_name)] = Field(
        default="python3.13", description="Lambda's Python: python3.11, python3.12 or python3.13."
    )
    architecture: Literal["arm64", "x86_64"] = Field(default="arm64", description="Lambda's CPU.")
    memory_mb: int = within(limits.FUNCTION_MEMORY, "Memory; CPU grows with it.", default=1_024)
    timeout_seconds: int = within(limits.FUNCTION_TIMEOUT, "When Lambda cuts an invocation off.", default=120)
    reserved_concurrency: int | None = within(
        limits.RESERVED_CONCURRENCY,
        "Invocations kept for this function alone; unset shares the account's. A new account may have 10 in all, of "
        "which none can be reserved.",
        default=None,
    )
    live_version: int | None = Field(
        default=None, ge=1, description="The version that traffic goes to; unset is the newest. `ops rollback` sets it."
    )
    environment: Annotated[dict[str, str], AfterValidator(values.plain_variables)] = Field(
        default_factory=dict[str, str], description="Extra plain environment variables."
    )

    @property
    def target(self) -> Target:
        """Runtime and architecture, as the layer builder names them."""
        return Target(self.runtime, self.architecture)


def variables_are_free(section: str, own: Collection[str]) -> Callable[[FunctionSettings], str | None]:
    """Return the rule that extra variables do not override what the stack sets itself.

    Args:
        section: The system's name.
        own: The variables that its function gets from the stack.
    """

    def check(settings: FunctionSettings) -> str | None:
        taken = sorted(name for name in settings.environment if name in own)
        if not taken:
            return None
        return (
            f"sets {', '.join(taken)}, which the stack sets itself: use the key of strata:{section} that is meant "
            "for it."
        )

    return check
