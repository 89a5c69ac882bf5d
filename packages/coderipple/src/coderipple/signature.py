"""Whether GitHub signed a body: HMAC-SHA-256 over its bytes, compared in constant time.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = "x-hub-signature-256"
_PREFIX = "sha256="


def signature(body: bytes, secret: str) -> str:
    """Return the header's value for a body."""
    return _PREFIX + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_signed(body: bytes, header: str | None, secrets: Iterable[str]) -> bool:
    """Whether a header is the body's signature with one of the secrets.

    Args:
        body: as it was sent.
        header: `X-Hub-Signature-256`.
        secrets: taken one after the other, so that a later one is only read when it is needed.
    """
    if not header or not header.startswith(_PREFIX):
        return False
    given = header.strip().encode("utf-8", "surrogatepass")
    return any(hmac.compare_digest(signature(body, secret).encode(), given) for secret in secrets)
