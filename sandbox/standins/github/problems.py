"""Answers of GitHub's API that refuse something, in its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DOCS: Final = "https://docs.github.com/rest"


class GitHubError(Exception):
    """An answer of 400 or more."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: Sequence[Mapping[str, Any] | str] = (),
        docs: str = DOCS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"message": message}
        if errors:
            self.body["errors"] = list(errors)
        self.body |= {"documentation_url": docs, "status": str(status)}


def not_found() -> GitHubError:
    """What is not there, and what the caller may not know of."""
    return GitHubError(404, "Not Found")


def invalid(message: str, *errors: Mapping[str, Any] | str) -> GitHubError:
    """A request that is understood and cannot be done: 422."""
    return GitHubError(422, message, errors=errors)


def not_implemented(what: str) -> GitHubError:
    """What GitHub does and this stand-in does not: said loudly, never answered by a guess."""
    return GitHubError(501, f"the GitHub stand-in does not implement {what}")
