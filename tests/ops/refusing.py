"""An endpoint in front of the emulator that refuses some requests, as AWS does: throttled, or a right is lacking."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.ops.front import Answer, Front

if TYPE_CHECKING:
    from sandbox.account import Account

THROTTLED = (429, "TooManyRequestsException")
FORBIDDEN = (403, "AccessDeniedException")


class Refusing(Front):
    """Of the requests whose `METHOD path` holds `pattern`, the first `after` pass, the next `times` are refused."""

    def __init__(self, account: Account, pattern: str, answer: tuple[int, str], *, after: int = 0, times: int) -> None:
        super().__init__(account)
        self.pattern, self.refusal = pattern, answer
        self.refused = range(after, after + times)
        self.seen = 0

    def own(self, request: str, target: str, body: bytes) -> Answer | None:
        """Refuse it if its turn has come; counts those that the pattern is about."""
        if not re.search(self.pattern, request):
            return None
        self.seen += 1
        if self.seen - 1 not in self.refused:
            return None
        status, code = self.refusal
        return Answer(status, json.dumps({"message": code}).encode(), {"x-amzn-ErrorType": code})
