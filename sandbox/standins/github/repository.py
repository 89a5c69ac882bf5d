"""A repository as GitHub knows it: its store, its owner, its pull requests and its webhooks."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.standins.github.access import User
    from sandbox.standins.github.store import Store


@dataclass(slots=True)
class Pull:
    """A pull request. Where its branches stand is asked of the store."""

    number: int
    title: str
    body: str | None
    user: User
    head: str
    """A branch of the same repository, or of a fork that only an event told of."""
    base: str
    state: str = "open"
    draft: bool = False
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)


@dataclass(slots=True, kw_only=True)
class Hook:
    """A webhook of a repository."""

    id: int
    url: str
    secret: str = field(repr=False)
    events: frozenset[str]
    content_type: str = "json"
    active: bool = True
    created: float = field(default_factory=time.time)

    def wants(self, event: str) -> bool:
        """Whether it is told of such an event."""
        return self.active and (event == "ping" or "*" in self.events or event in self.events)


@dataclass(slots=True)
class Repository:
    """One repository."""

    owner: User
    name: str
    store: Store
    private: bool
    default_branch: str
    api: str
    """The address of the API, without a slash at the end."""
    created: float = field(default_factory=time.time)
    pushed: float = field(default_factory=time.time)
    archived: bool = False
    pulls: dict[int, Pull] = field(default_factory=dict[int, Pull])
    hooks: dict[int, Hook] = field(default_factory=dict[int, Hook])

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"

    @property
    def id(self) -> int:
        """A number that stays when the server is started again."""
        return number_of(self.full_name)

    @property
    def url(self) -> str:
        """In the API."""
        return f"{self.api}/repos/{self.full_name}"

    @property
    def html_url(self) -> str:
        """For people: there is no page, but links have this form."""
        return f"https://github.com/{self.full_name}"

    def open_pulls(self, branch: str) -> list[Pull]:
        """The open pull requests from a branch."""
        return [pull for pull in self.pulls.values() if pull.state == "open" and pull.head == branch]


def number_of(text: str) -> int:
    """A number of nine digits that follows from a text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % 900_000_000 + 100_000_000


def node_id(kind: str, *parts: Any) -> str:
    """An opaque id as GraphQL would know it."""
    return f"{kind}_{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"
