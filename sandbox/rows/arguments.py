"""What rows are written with: the arguments of one resource, and the cloud that it is made in."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.account import Account


class UnsupportedError(Exception):
    """The program uses a type or an argument that the monitor has no row for."""


class Arguments:
    """The arguments of one resource. Each is taken once; what nobody took is an error."""

    def __init__(self, kind: str, name: str, values: Mapping[str, Any], path: str = "") -> None:
        """Wrap `values`, the inputs of the resource `name` of type token `kind`."""
        self.kind = kind
        self.name = name
        self._path = path
        self._values = {key: value for key, value in values.items() if value is not None}
        self._sections: list[Arguments] = []

    def take(self, key: str, default: Any = None) -> Any:
        """The value of an argument, or `default` when the program leaves it out."""
        return self._values.pop(key, default)

    def need(self, key: str) -> Any:
        """The value of an argument that the type requires."""
        if key not in self._values:
            raise UnsupportedError(f"{self.kind} {self.name!r} needs the argument {self._path}{key}")
        return self._values.pop(key)

    def section(self, key: str) -> Arguments | None:
        """A nested block, whose own arguments are taken one by one."""
        value = self.take(key)
        return None if value is None else self._nested(key, value)

    def sections(self, key: str) -> list[Arguments]:
        """A list of nested blocks."""
        return [self._nested(f"{key}[{i}]", value) for i, value in enumerate(self.take(key) or [])]

    def renamed(self, **names: str) -> dict[str, Any]:
        """Arguments that the API takes as they are: API name = Pulumi name. Those left out are left out."""
        return {api: value for api, name in names.items() if (value := self.take(name)) is not None}

    def finished(self) -> None:
        """Raise for arguments that nobody took."""
        left = [f"{self._path}{key}" for key in sorted(self._values)]
        for section in self._sections:
            section.finished()
        if left:
            raise UnsupportedError(
                f"the sandbox does not model {', '.join(left)} of {self.kind} ({self.name!r}): "
                f"add it to the row of that type in sandbox/rows, or leave it out for the local stack"
            )

    def _nested(self, key: str, value: Mapping[str, Any]) -> Arguments:
        section = Arguments(self.kind, self.name, value, f"{self._path}{key}.")
        self._sections.append(section)
        return section


@dataclass(frozen=True)
class Cloud:
    """Where resources are made, and what the stack says about all of them."""

    account: Account
    project: str
    stack: str
    naming: str = "${name}-${hex(7)}"
    """`pulumi:autonaming` of Pulumi.yaml."""
    default_tags: Mapping[str, str] = field(default_factory=dict[str, str])
    """`aws:defaultTags`."""

    def client(self, service: str) -> Any:
        """A boto3 client with root credentials."""
        return self.account.client(service)

    def physical_name(self, logical: str) -> str:
        """A physical name for a resource that the program does not name."""
        known = {"project": self.project, "stack": self.stack, "name": logical, "organization": "organization"}
        text = re.sub(r"\$\{(\w+)\}", lambda found: known[found[1]], self.naming)
        return re.sub(r"\$\{hex\((\d+)\)\}", lambda found: secrets.token_hex(int(found[1]))[: int(found[1])], text)

    def tags(self, arguments: Arguments) -> dict[str, str]:
        """A taggable resource's tags, the stack's default ones among them."""
        return {**self.default_tags, **(arguments.take("tags") or {})}

    def tag_list(self, arguments: Arguments) -> list[dict[str, str]]:
        """The same as the list that most APIs take."""
        return [{"Key": key, "Value": value} for key, value in self.tags(arguments).items()]

    def arn(self, service: str, resource: str) -> str:
        """The ARN of something in this account and region."""
        return f"arn:aws:{service}:{self.account.region}:{self.account.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that exists now."""

    id: str
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the program may read beyond its own arguments, by Pulumi names."""


Make = Callable[[], Made]
Row = Callable[[Arguments, Cloud], Make]
"""Takes all arguments first, so that a wrong program makes nothing; what it returns makes the resource."""


def document(value: str | Mapping[str, Any]) -> str:
    """A policy document as text."""
    return value if isinstance(value, str) else json.dumps(value)


def cross_origin(section: Arguments) -> dict[str, Any]:
    """CORS, as the API of HTTP APIs and that of function URLs spell it alike."""
    call = section.renamed(
        AllowOrigins="allowOrigins",
        AllowMethods="allowMethods",
        AllowHeaders="allowHeaders",
        ExposeHeaders="exposeHeaders",
        AllowCredentials="allowCredentials",
    )
    if (age := section.take("maxAge")) is not None:
        call["MaxAge"] = int(age)
    return call
