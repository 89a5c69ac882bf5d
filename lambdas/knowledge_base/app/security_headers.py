"""The headers that every answer carries, errors included: what a browser may load, show and remember.

Owns the content security policy. The one origin in it beside our own is the bucket's, where a page sends large uploads
and fetches files from.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError
from starlette.datastructures import MutableHeaders

from lambdas.knowledge_base.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lambdas.knowledge_base.services import Services

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Strict-Transport-Security": "max-age=31536000",
}
NOT_KEPT = "no-store"
"""Of an answer that does not say itself how long it may be kept."""


def policy(upload_origin: str) -> str:
    """The content security policy.

    Args:
        upload_origin: scheme, host and port of the bucket's presigned addresses.
    """
    sources = " ".join(["'self'", upload_origin]).strip()
    return (
        f"default-src 'self'; connect-src {sources}; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


def bucket_origin(services: Services) -> str:
    """Where the bucket's presigned addresses lead, which depends on region, partition and endpoint: botocore's word."""
    address: str = services.s3.generate_presigned_url(
        "get_object", Params={"Bucket": services.settings.bucket, "Key": "-"}, ExpiresIn=1
    )
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


class SecurityHeaders:
    """Adds them to every answer."""

    def __init__(self, app: ASGIApp, policy: Callable[[], str]) -> None:
        """Args: app: what answers; policy: gives the content security policy, once."""
        self._app = app
        self._make_policy = policy

    def _policy_now(self) -> str:
        """The policy; the strictest, where the configuration is wrong and has no bucket."""
        try:
            return self._policy
        except (ConfigurationError, BotoCoreError):  # said where the request needs it
            return policy("")

    @cached_property
    def _policy(self) -> str:
        return self._make_policy()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(FIXED)
                headers["Content-Security-Policy"] = self._policy_now()
                headers.setdefault("Cache-Control", NOT_KEPT)
            await send(message)

        await self._app(scope, receive, with_headers)
