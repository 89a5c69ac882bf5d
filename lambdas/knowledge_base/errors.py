"""What a caller is told when something cannot be done: a status, a code that programs read, a sentence for people.

No secret, no address and nothing of another user's in them: they are sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConfigurationError(Exception):
    """Nothing can succeed until somebody changes the function's configuration; says what and how, for the log."""


class ApiError(Exception):
    """An answer `{"error": {"code", "message"}}`."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Say what to answer.

        Args:
            status: of HTTP.
            code: snake_case, the same for the same cause.
            message: a sentence that says what is wrong and what to do; it is shown to the user.
            headers: to add to the answer.
        """
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class BadRequestError(ApiError):
    """The request itself is wrong: the same again is refused again."""

    def __init__(self, message: str, code: str = "bad_request") -> None:
        super().__init__(400, code, message)


class UnauthorizedError(ApiError):
    """No token, or one that does not count: the answer never says which."""

    def __init__(self, message: str = "Sign in first: the access token is missing, wrong or expired.") -> None:
        super().__init__(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})


class NotFoundError(ApiError):
    """It is not there, or it is another user's: the answer never says which."""

    def __init__(self, what: str = "page") -> None:
        """Args: what: such as `document`."""
        super().__init__(404, "not_found", f"There is no such {what}.")


class ConflictError(ApiError):
    """What is asked for does not go with the state that a thing is in."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(409, code, message)


class TooManyError(ApiError):
    """Too much was tried; it may be tried again later."""

    def __init__(self, code: str, message: str, retry_after_seconds: int) -> None:
        super().__init__(429, code, message, {"Retry-After": str(max(1, retry_after_seconds))})


class UnavailableError(ApiError):
    """Something that the function needs does not answer; it may pass."""

    def __init__(self, code: str, message: str, retry_after_seconds: int = 5) -> None:
        super().__init__(503, code, message, {"Retry-After": str(max(1, retry_after_seconds))})


class VectorsError(UnavailableError):
    """The index of passages did not answer, or refused. The exception before it says what happened."""

    def __init__(self, detail: str = "", *, may_pass: bool = True) -> None:
        """Say what is for the log.

        Args:
            detail: what happened.
            may_pass: whether the same may succeed later, without anybody's doing.
        """
        super().__init__("search_unavailable", "The search does not answer at the moment. Try again in a minute.")
        self.detail = detail
        self.may_pass = may_pass
