"""S3 as it is just after a permission was granted: the first notifications that need it are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.forward import Forward
from sandbox.standins.serving import Server

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

REFUSAL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InvalidArgument</Code><Message>Unable to validate the '
    b"following destination configurations</Message><RequestId>0</RequestId></Error>"
)


class HesitantS3:
    """Stands in front of the emulator; use as a context manager."""

    def __init__(self, endpoint: str, refusals: int) -> None:
        self._forward = Forward(lambda: endpoint)
        self._server = Server(self)
        self.left = refusals
        """How many notifications it will still refuse."""

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> HesitantS3:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.left or not self._notification(scope):
            await self._forward(scope, receive, send)
            return
        self.left -= 1
        headers = [(b"content-type", b"application/xml"), (b"content-length", str(len(REFUSAL)).encode())]
        await send({"type": "http.response.start", "status": 400, "headers": headers})
        await send({"type": "http.response.body", "body": REFUSAL})

    @staticmethod
    def _notification(scope: Scope) -> bool:
        return scope["method"] == "PUT" and b"notification" in scope["query_string"]
