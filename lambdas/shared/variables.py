"""A function's environment variables → its settings model, by pydantic; every wrong variable in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.shared.contract import Variable


def setting(variable: Variable[Any], **more: Any) -> Any:
    """Return the field of a variable that has a default, with its bounds.

    Args:
        variable: the contract's.
        more: what pydantic's `Field` takes beside them: `pattern`.
    """
    return Field(default=variable.default, alias=str(variable), ge=variable.at_least, le=variable.at_most, **more)


class VariableSettings(BaseModel):
    """A settings model whose fields have the variables' names as aliases."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())
    wrong: ClassVar[type[Exception]]
    """What the function raises where its variables are wrong."""

    @classmethod
    def load(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; an empty one counts as unset.

        Raises:
            Exception: `wrong`, which names every wrong variable, its value and the rule.
        """
        names = [str(field.alias) for field in cls.model_fields.values()]
        try:
            return cls.model_validate({name: environment[name] for name in names if environment.get(name)})
        except ValidationError as error:
            raise cls.wrong("; ".join(map(_explained, error.errors()))) from None


def _explained(error: object) -> str:
    details: dict[str, object] = dict(cast("dict[str, object]", error)) if isinstance(error, dict) else {}
    location = details.get("loc") or ()
    message = str(details.get("msg", "")).removeprefix("Value error, ")
    if not isinstance(location, tuple) or not location:
        return message
    if details.get("type") == "missing":
        return f"{location[0]} is not set"
    return f"{location[0]} is {details.get('input')!r}: {message[:1].lower()}{message[1:]}"
