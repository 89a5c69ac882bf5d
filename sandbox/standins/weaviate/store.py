"""Collections, their tenants and objects: in memory, and exact. Everything is visible at once."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lambdas.shared.json_values import is_list
from sandbox.standins.weaviate.errors import RefusedError
from sandbox.standins.weaviate.schema import completed
from sandbox.standins.weaviate.words import TOKENIZATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from numpy.typing import NDArray

_TENANT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "uuid": (str,),
    "date": (str,),
    "boolean": (bool,),
    "int": (int,),
    "number": (int, float),
}
UNNAMED = ""
"""The vector of a collection whose vectors have no names."""


@dataclass(slots=True)
class Stored:
    """An object."""

    id: str
    properties: dict[str, Any]
    vectors: dict[str, NDArray[np.float32]]
    words: dict[str, Counter[str]]
    """The tokens of its texts, by property."""
    created: int
    updated: int
    """Milliseconds since the epoch."""


@dataclass(slots=True)
class Tenant:
    """What belongs to one tenant; all of it in a collection without tenants."""

    objects: dict[str, Stored] = field(default_factory=dict[str, Stored])
    """In the order in which they came."""
    dimensions: dict[str, int] = field(default_factory=dict[str, int])
    """Of the first vector that was stored, by the vector's name: all others must have as many."""
    active: bool = True
    """Whether it is in memory (HOT); one that is not (COLD) answers nothing."""


class Collection:
    """One collection."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.name: str = config["class"]
        self.config = config
        self.tenants: dict[str, Tenant] = {} if self.multi_tenant else {"": Tenant()}

    @property
    def multi_tenant(self) -> bool:
        """Whether requests have to name a tenant."""
        return bool(self.config["multiTenancyConfig"]["enabled"])

    @property
    def properties(self) -> dict[str, dict[str, Any]]:
        """Their configurations, by name."""
        return {each["name"]: each for each in self.config["properties"]}

    @property
    def vectors(self) -> list[str]:
        """The names of its vectors."""
        return list(self.config.get("vectorConfig") or [UNNAMED])

    def property(self, name: str) -> dict[str, Any]:
        """A property's configuration.

        Raises:
            RefusedError: there is none of that name.
        """
        found = self.properties.get(name)
        if found is None:
            raise RefusedError(
                f"no such prop with name '{name}' found in class '{self.name}' in the schema. Check your schema files "
                "for which properties in this class are available"
            )
        return found

    def tenant(self, name: str, *, activating: bool = True) -> Tenant:
        """A tenant, which is made active where the collection does that by itself.

        Args:
            name: its name.
            activating: False for a call that does not do it.

        Raises:
            RefusedError: there is none of that name, or it is not active; or the collection has none, or nothing else.
        """
        self._check(name)
        if name not in self.tenants:
            raise RefusedError(f'tenant not found: "{name}"')
        tenant = self.tenants[name]
        if activating and self.config["multiTenancyConfig"]["autoTenantActivation"]:
            tenant.active = True
        if not tenant.active:
            raise RefusedError(f"tenant not active: '{name}'")
        return tenant

    def tenant_to_write(self, name: str) -> Tenant:
        """The same, and a new one where the collection makes them by itself."""
        if self.multi_tenant and self.config["multiTenancyConfig"]["autoTenantCreation"]:
            self.add_tenants([name])
        return self.tenant(name)

    def add_tenants(self, names: Iterable[str]) -> None:
        """Make tenants; those that are there stay as they are.

        Raises:
            RefusedError: a name is not valid; none is made then.
        """
        listed = list(names)
        for at, name in enumerate(listed):
            if not name:
                raise RefusedError(f"tenant name at index {at}: empty tenant name")
            if not _TENANT.fullmatch(name):
                raise RefusedError(
                    f"tenant name at index {at}:  '{name}' is not a valid tenant name. should only contain "
                    "alphanumeric characters (a-z, A-Z, 0-9), underscore (_), and hyphen (-), with a length between "
                    "1 and 64 characters"
                )
        for name in listed:
            self.tenants.setdefault(name, Tenant())

    def put(self, tenant: Tenant, key: UUID, properties: dict[str, Any], vectors: dict[str, list[float]]) -> Stored:
        """Store an object, in the place of one of the same id.

        Raises:
            RefusedError: a property or a vector is not what the collection has.
        """
        words = {name: tokens for name, value in properties.items() if (tokens := self._words(name, value)) is not None}
        for name, vector in vectors.items():
            self._fits(tenant, key, name, len(vector))
        now = int(time.time() * 1000)
        before = tenant.objects.get(str(key))
        stored = Stored(
            str(key),
            {name: value for name, value in properties.items() if value is not None},
            {name: np.asarray(vector, np.float32) for name, vector in vectors.items()},
            words,
            before.created if before else now,
            now,
        )
        tenant.objects[stored.id] = stored
        return stored

    def _words(self, name: str, value: Any) -> Counter[str] | None:
        """The tokens of a text; None of what is no text."""
        known = self.properties.get(name)
        if known is None:
            # The server's auto schema would add it, with an index that nobody chose.
            raise RefusedError(f"the stand-in adds no property '{name}' to class '{self.name}' by itself")
        [kind] = known["dataType"]
        if value is None:
            return None
        values: list[Any] = value if kind.endswith("[]") and is_list(value) else [value]
        wanted = _KINDS[kind.removesuffix("[]")]
        for each in values:
            if not isinstance(each, wanted) or (isinstance(each, bool) and bool not in wanted):
                raise RefusedError(f"invalid {kind} property '{name}' on class '{self.name}': {_wrong(kind, each)}")
        if not known.get("tokenization"):
            return None
        return Counter(token for each in values for token in TOKENIZATIONS[known["tokenization"]](each))

    def _fits(self, tenant: Tenant, key: UUID, name: str, length: int) -> None:
        if name not in self.vectors:
            raise RefusedError(f"class {self.name} does not have named vector {name} configured")
        known = tenant.dimensions.setdefault(name, length)
        if known != length:
            raise RefusedError(
                f"Validate vector index {name} for target vector {key}: new node has a vector with length {length}. "
                f"Existing nodes have vectors with length {known}: vector dimensions do not match the index dimensions"
            )

    def _check(self, name: str) -> None:
        if self.multi_tenant and not name:
            raise RefusedError(f"class {self.name} has multi-tenancy enabled, but request was without tenant")
        if name and not self.multi_tenant:
            raise RefusedError(f"class {self.name} has multi-tenancy disabled, but request was with tenant")


def _wrong(kind: str, value: Any) -> str:
    if kind == "text":
        return f"not a string, but {'float64' if isinstance(value, int | float) else type(value).__name__}"
    return f"requires {'an integer' if kind == 'int' else kind}, the given value is '{value}'"


class Store:
    """All collections, and the lock under which they are used."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.collections: dict[str, Collection] = {}

    def create(self, asked: Mapping[str, Any]) -> Collection:
        """Make a collection.

        Raises:
            RefusedError: there is one of that name, or its configuration is wrong.
        """
        config = completed(asked)
        if config["class"] in self.collections:
            raise RefusedError(f"class name {config['class']} already exists")
        made = self.collections[config["class"]] = Collection(config)
        return made

    def collection(self, name: str) -> Collection:
        """A collection.

        Raises:
            RefusedError: there is none of that name.
        """
        if name not in self.collections:
            raise RefusedError(f"could not find class {name} in schema")
        return self.collections[name]
