"""Why a request is refused."""

from __future__ import annotations


class RefusedError(Exception):
    """What is asked cannot be done; the sentence is the server's."""

    def __init__(self, message: str, status: int = 422) -> None:
        """Remember the answer.

        Args:
            message: told to the client.
            status: of HTTP; gRPC says UNKNOWN whatever it is.
        """
        super().__init__(message)
        self.status = status


class UnsupportedError(Exception):
    """Weaviate can, and the stand-in cannot."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the sandbox's stand-in for Weaviate has no {what}")
