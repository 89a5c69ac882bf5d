"""GitHub's two rate limits: so many requests an hour, and so much at once or so many writes a minute.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.github.problems import GitHubError

if TYPE_CHECKING:
    from sandbox.standins.github.access import Caller

HOUR: Final = 3_600
MINUTE: Final = 60
PRIMARY_DOCS: Final = "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api"
SECONDARY_DOCS: Final = "https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"


@dataclass(slots=True)
class _Window:
    reset: int
    used: int = 0


@dataclass(slots=True)
class Limits:
    """What the server counts. The numbers are github.com's, and may be lowered."""

    per_hour: int = 5_000
    per_hour_for_nobody: int = 60
    writes_per_minute: int = 80
    retry_after_seconds: int = 60
    """What a refusal by the secondary limit says."""
    _windows: dict[str, _Window] = field(default_factory=dict[str, "_Window"])
    _writes: dict[str, list[float]] = field(default_factory=dict[str, "list[float]"])

    def most(self, caller: Caller) -> int:
        """What a caller may ask in an hour."""
        return self.per_hour_for_nobody if caller.kind == "nobody" else self.per_hour

    def count(self, caller: Caller, now: float) -> None:
        """Count a request.

        Raises:
            GitHubError: 403: the hour's requests are used up.
        """
        window = self._window(caller, now)
        if window.used >= self.most(caller):
            raise GitHubError(
                403, f"API rate limit exceeded for {caller.name}.", docs=PRIMARY_DOCS, headers=self.headers(caller, now)
            )
        window.used += 1

    def refund(self, caller: Caller, now: float) -> None:
        """A request did not count: nothing had changed since the caller asked before."""
        self._window(caller, now).used -= 1

    def count_write(self, caller: Caller, now: float) -> None:
        """Count a request that makes something.

        Raises:
            GitHubError: 403 with Retry-After: too many in a minute.
        """
        recent = [when for when in self._writes.get(caller.name, []) if when > now - MINUTE]
        if len(recent) >= self.writes_per_minute:
            message = (
                "You have exceeded a secondary rate limit and have been temporarily blocked from content creation. "
                "Please retry your request again later."
            )
            headers = self.headers(caller, now) | {"retry-after": str(self.retry_after_seconds)}
            raise GitHubError(403, message, docs=SECONDARY_DOCS, headers=headers)
        self._writes[caller.name] = [*recent, now]

    def headers(self, caller: Caller, now: float) -> dict[str, str]:
        """What every answer says."""
        return {f"x-ratelimit-{name}": str(value) for name, value in self.state(caller, now).items()}

    def state(self, caller: Caller, now: float) -> dict[str, Any]:
        """The same as an object."""
        window, most = self._window(caller, now), self.most(caller)
        left = max(0, most - window.used)
        return {"limit": most, "remaining": left, "reset": window.reset, "used": window.used, "resource": "core"}

    def forget(self) -> None:
        """Start to count anew."""
        self._windows.clear()
        self._writes.clear()

    def _window(self, caller: Caller, now: float) -> _Window:
        found = self._windows.get(caller.name)
        if found is None or found.reset <= now:
            found = self._windows[caller.name] = _Window(int(now) + HOUR)
        return found
