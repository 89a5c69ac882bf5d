"""The one exception of this function: what it was asked for is not possible, and why, in the contract's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.image_processor.contract import Code, ErrorAnswer


class ProcessingError(Exception):
    """Becomes the answer.

    Args:
        code: of the contract.
        message: read by the caller, so nothing of this machine is in it.
        detail: for the log only.
    """

    def __init__(self, code: Code, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail

    def answer(self) -> ErrorAnswer:
        """Return it as the function's answer."""
        return {"status": "error", "error": {"code": self.code.value, "message": self.message}}
