"""Why a document has no result, beside what is wrong with the document itself: that is `DocumentError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lambdas.shared.pdf.errors import Code

MAY_PASS: Final[frozenset[Code]] = frozenset({"access_denied", "not_found"})
"""A role or an object may be there on a retry; with every other code the same document fails again."""


class ConfigurationError(Exception):
    """Nothing can succeed until somebody changes the configuration."""


class SupersededError(Exception):
    """Another invocation wrote this document's result meanwhile: the event is to be tried again."""


class QueueError(Exception):
    """The queue took some messages and refused others: the event is to be tried again."""
