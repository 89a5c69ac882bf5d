"""One request, read and checked, and one answer: what the routes work with.

A query parameter or a key of a body that a route does not know is refused with 501: GitHub may give it a meaning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

from sandbox.standins.github.problems import GitHubError, invalid, not_implemented
from sandbox.standins.github.store import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.standins.github.access import Actor, Caller, Level
    from sandbox.standins.github.repository import Repository
    from sandbox.standins.github.state import GitHubState

PAGE: Final = 30
LARGEST_PAGE: Final = 100
PAGING: Final = ("per_page", "page")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is not simply 200 with JSON."""

    status: int
    body: Any = None
    """JSON, or bytes as they are; None is no body."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a route."""

    state: GitHubState
    caller: Caller
    params: Mapping[str, str]
    """From the path."""
    query: Mapping[str, str]
    body: Mapping[str, Any]
    accept: str
    url: str
    """Of the request, without its query."""
    now: float
    found: Repository | None = None

    @property
    def repo(self) -> Repository:
        """The repository of the path."""
        assert self.found is not None  # noqa: S101 - routes with {owner}/{repo} have one
        return self.found

    @property
    def by(self) -> Actor:
        """Who the caller acts as."""
        return self.caller.actor

    @property
    def author(self) -> Person:
        """Who a commit is by when the request does not say."""
        return Person(self.by.user.login, self.by.user.email)

    def text(self, name: str) -> str:
        """A text that the body must hold.

        Raises:
            GitHubError: 422: it does not.
        """
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise invalid(f"Invalid request.\n\n{name!r} wasn't supplied or is not a string.".replace("'", '"'))
        try:
            value.encode()
        except UnicodeEncodeError:
            raise GitHubError(400, "Problems parsing JSON") from None
        return value

    def whole(self, name: str, default: int, most: int | None = None) -> int:
        """A whole number of the query; what is not one counts as left out, and more as the most, as on github.com."""
        text = self.query.get(name, "")
        value = int(text) if text.isascii() and text.isdigit() else default
        return max(1, value if most is None else min(value, most))

    def page(
        self, items: Sequence[Any], per_page: int = PAGE, most: int = LARGEST_PAGE
    ) -> tuple[list[Any], dict[str, str]]:
        """One page of a list, and the header with the links to the others."""
        size, number = self.whole("per_page", per_page, most), self.whole("page", 1)
        last = max(1, -(-len(items) // size))
        targets = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        if number >= last:
            targets = {"prev": number - 1, "first": 1} if last > 1 else {}
        elif number == 1:
            targets = {"next": 2, "last": last}
        links = [f'<{self._page_url(target)}>; rel="{name}"' for name, target in targets.items()]
        return list(items[(number - 1) * size : number * size]), {"link": ", ".join(links)} if links else {}

    def _page_url(self, number: int) -> str:
        return f"{self.url}?{urlencode({**self.query, 'page': number})}"

    def listed(self, items: Sequence[Any], shape: Callable[[Any], Any]) -> Answer:
        """The answer of a list."""
        page, headers = self.page(items)
        return Answer(200, [shape(item) for item in page], headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route: what it needs, what it knows, and what it does."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    run: Callable[[Call], Any]
    permission: str = "contents"
    level: Level = "read"
    query: Sequence[str] = ()
    body: Sequence[str] = ()
    by: Literal["repository", "app", "anyone"] = "repository"
    """Whose credentials it takes."""

    def check_known(self, query: Mapping[str, str], body: Mapping[str, Any]) -> None:
        """Refuse parameters that the route gives no meaning to.

        Raises:
            GitHubError: 501: names the first of them.
        """
        if unknown := sorted(set(query) - set(self.query)):
            raise not_implemented(f"the parameter {unknown[0]} of {self.method} {self.path}")
        if unknown := sorted(set(body) - set(self.body)):
            raise not_implemented(f"the key {unknown[0]} in the body of {self.method} {self.path}")
