"""Requests to GitHub's REST API: one host, bounded answers, its limits kept.

Owns the transport: what is tried again and when, and which exception an answer becomes. What is asked is
`repository.py`'s, and whose token it is asked with `github_auth.py`'s.
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

import httpx

from coderipple import __version__
from coderipple.errors import RefusedError, RetryLaterError
from lambdas.shared.attempts import Failure, NoTimeLeftError, Policy, attempt
from lambdas.shared.deadline import retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.shared.deadline import Deadline

API_VERSION = "2022-11-28"
MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""A tree has 7 MB at most, a blob that is asked for less than one."""
POLICY = Policy(retries=4, first_wait_seconds=1, max_wait_seconds=20, try_seconds=20, statuses=frozenset({408, 429}))
SECONDARY_WAIT_SECONDS = 60
"""What GitHub asks for where a secondary limit says nothing itself."""
LIMITS = ("rate limit", "abuse detection")
"""Words by which a 403 is a limit, and no refusal."""
HINTS = {
    301: "it was renamed or transferred: configure its name of today",
    404: "it is not there, or the token may not see it",
}
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _UNPROCESSABLE = 401, 403, 404, 409, 422


class GitHubError(RefusedError):
    """GitHub refused a request for good."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnauthorizedError(GitHubError):
    """The token is not accepted."""


class NotFoundError(GitHubError):
    """It is not there, or the token may not see it."""


class ConflictError(GitHubError):
    """What the request began with is no longer so: a branch has moved, a name is taken."""


class Credentials(Protocol):
    """Where tokens come from."""

    def token(self, *, renew: bool = False) -> str:
        """A token; `renew` when the last one was refused."""
        ...


class GitHubClient:
    """Makes requests for one installation or token. Not to be shared between threads that may outlive a deadline."""

    def __init__(self, base_url: str, credentials: Credentials | None, deadline: Deadline) -> None:
        """Prepare requests.

        Args:
            base_url: of the API; nothing else is ever connected to.
            credentials: None for requests that bring their own authorization.
            deadline: no request begins after it.
        """
        self._credentials = credentials
        self._deadline = deadline
        self._http = httpx.Client(
            base_url=base_url.rstrip("/"),
            headers={
                "accept": "application/vnd.github+json",
                "user-agent": f"coderipple/{__version__}",
                "x-github-api-version": API_VERSION,
            },
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> GitHubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, str | int] | None = None) -> Any:
        """What is at a path of the API.

        Raises:
            GitHubError: it is refused.
            RetryLaterError: it failed, or a limit was reached that outlasts the deadline.
        """
        return self.request("GET", path, parameters=parameters)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str | int] | None = None,
        authorization: str | None = None,
    ) -> Any:
        """Make a request, as for `get`; a token that is refused is renewed once."""
        try:
            return self._tried(method, path, body, parameters, authorization or self._bearer())
        except UnauthorizedError:
            if authorization is not None or self._credentials is None:
                raise
            return self._tried(method, path, body, parameters, self._bearer(renew=True))

    def _bearer(self, *, renew: bool = False) -> str:
        return f"Bearer {self._credentials.token(renew=renew)}" if self._credentials is not None else ""

    def _tried(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        parameters: Mapping[str, str | int] | None,
        authorization: str,
    ) -> Any:
        what = f"{method} {path}"

        def work(seconds: float) -> Any:
            request = self._http.build_request(
                method,
                path,
                json=body,
                params=dict(parameters) if parameters else None,
                headers={"authorization": authorization} if authorization else {},
                timeout=seconds,
            )
            response = self._http.send(request, stream=True)
            try:
                return _answer(response, what)
            finally:
                response.close()

        try:
            return attempt(work, lambda error: _explain(error, what), POLICY, self._deadline)
        except NoTimeLeftError:
            raise RetryLaterError(f"{what}: no time left for GitHub") from None


class _Object(dict[str, Any]):
    """An object of an answer; what it lacks is said."""

    def __missing__(self, name: str) -> Any:
        raise GitHubError(f"GitHub's answer has no {name!r}", 200)


def _answer(response: httpx.Response, what: str) -> Any:
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise GitHubError(f"{what}: the answer is larger than {MAX_ANSWER_BYTES:,} bytes", response.status_code)
    if response.is_success:
        try:
            answer = json.loads(content, object_hook=_Object)
        except (ValueError, RecursionError):
            raise GitHubError(f"{what}: the answer is not JSON", response.status_code) from None
        if not isinstance(answer, dict | list):
            raise GitHubError(f"{what}: the answer is neither an object nor a list", response.status_code)
        return cast("dict[str, Any] | list[Any]", answer)
    raise _StatusError(response.status_code, response.headers, bytes(content))


class _StatusError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, headers: httpx.Headers, content: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = {}
        self.message = _said(cast("dict[str, Any]", answer))[:300] if isinstance(answer, dict) else ""


def _said(answer: Mapping[str, Any]) -> str:
    """An error's message, and what it is about: `Validation Failed` alone says nothing."""
    errors: list[dict[str, Any] | str] = answer["errors"] if isinstance(answer.get("errors"), list) else []
    about = [
        str(error.get("message") or f"{error.get('field') or ''} {error.get('code') or ''}".strip())
        if isinstance(error, dict)
        else str(error)
        for error in errors
    ]
    return "; ".join(text for text in (str(answer.get("message") or ""), *about) if text)


def _explain(error: Exception, what: str) -> Failure | None:
    if isinstance(error, httpx.RequestError):
        return Failure(RetryLaterError(f"{what}: {type(error).__name__}"))
    if not isinstance(error, _StatusError):
        return None
    status, headers = error.status, error.headers
    wait = _limit_seconds(error)
    if wait is not None:
        later = RetryLaterError(f"{what}: GitHub's rate limit is reached; it asks to wait {wait:.0f} s")
        return Failure(later, 429, {"retry-after": f"{wait:.0f}"})
    if status in POLICY.statuses or status >= 500:  # noqa: PLR2004 - of servers
        return Failure(RetryLaterError(f"{what}: GitHub answered {status}"), status, dict(headers))
    kinds = {_UNAUTHORIZED: UnauthorizedError, _NOT_FOUND: NotFoundError, _CONFLICT: ConflictError}
    kind = kinds.get(status, ConflictError if status == _UNPROCESSABLE else GitHubError)
    hint = f" ({HINTS[status]})" if status in HINTS else ""
    return Failure(kind(f"{what}: GitHub answered {status}: {error.message}{hint}", status), status, final=True)


def _limit_seconds(error: _StatusError) -> float | None:
    """How long a rate limit asks to wait; None when it is not one."""
    if error.status not in (_FORBIDDEN, 429):
        return None
    asked = retry_after_seconds(error.headers)
    if asked is not None:
        return asked
    if error.headers.get("x-ratelimit-remaining") == "0":
        reset = error.headers.get("x-ratelimit-reset", "")
        return max(1.0, float(reset) - time.time()) if reset.isdecimal() else SECONDARY_WAIT_SECONDS
    limited = error.status != _FORBIDDEN or any(words in error.message.lower() for words in LIMITS)
    return float(SECONDARY_WAIT_SECONDS) if limited else None
