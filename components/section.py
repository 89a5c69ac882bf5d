"""A section of the stack's config: what its keys are declared in, and the rules between them.

Owns the base model. Reading sections and reporting what is wrong with them is in `validation.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over several keys of one section. It is tried only when each of its keys is valid by itself."""

    keys: tuple[str, ...]
    """What it looks at in its own section; the first one is named in the message."""
    check: Callable[..., str | None]
    """From the section to what is wrong, or None. Starts with the value: `is 5: …`."""
    outer: tuple[str, ...] = ()
    """Keys of the section around it that it also looks at; `check` then gets that one too."""

    def problem(self, section: object, around: object = None) -> str | None:
        """Return what is wrong, or None.

        Args:
            section: What has `keys` as attributes.
            around: What has `outer` as attributes: a section, or the component made from it.
        """
        return self.check(section, around) if self.outer else self.check(section)


class Section(BaseModel):
    """An object of the stack's config: `strata:<section>`, or one inside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
    rules: ClassVar[tuple[Rule, ...]] = ()
    """Added to those of the base classes."""

    @field_validator("*", mode="before")
    @classmethod
    def numbers_are_numbers(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a `no` where a number is wanted: YAML makes it false, and pydantic would make that 0."""
        kinds = set(_models(cls.model_fields[info.field_name or ""].annotation))
        if bool not in kinds and kinds & {int, float} and holds(value, bool):
            raise ValueError("it must be a number; YAML reads yes, no, on and off as true and false")
        return value

    @classmethod
    def all_rules(cls) -> tuple[Rule, ...]:
        """Return the rules of the section and of its base classes, the base's first."""
        return tuple(rule for base in reversed(cls.__mro__) for rule in base.__dict__.get("rules", ()))

    def check(self, name: str, around: object) -> None:
        """Refuse what the rules refuse, where components take a section as an argument.

        Args:
            name: What the argument is called: `queue`.
            around: The component that the section belongs to.

        Raises:
            ValueError: with the first problem.
        """
        for rule in self.all_rules():
            if (problem := rule.problem(self, around)) is not None:
                raise ValueError(f"{name}.{rule.keys[0]} {problem}")


def section_of(field: FieldInfo) -> type[Section] | None:
    """Return the model of a field that holds a section, optional or not; None for any other field."""
    return next((model for model in _models(field.annotation) if issubclass(model, Section)), None)


def holds(value: object, kind: type) -> bool:
    """Whether a value is of a kind, or a list with an item that is."""
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    return any(isinstance(item, kind) for item in items)


def _models(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
