"""How much memory a forked child can take up without asking the system for any."""

from __future__ import annotations

from lambdas.shared.child_process import LAST_WORDS_BYTES, MIB, _status_bytes

_MAPPED_FILES_BYTES = 32 * MIB
"""Libraries' code and data, and the document, which the parent had not read yet."""


def beyond_the_limit() -> int:
    """Bytes that may be resident in a child of this process beyond its limit.

    The limit (RLIMIT_DATA) is on what a process asks the system for. A child fills what its parent had asked for and
    left empty as well: free heap, untouched stacks. In a test process that has run for minutes, that is a lot.
    """
    empty = max(0, _status_bytes("VmData") - _status_bytes("RssAnon"))
    return empty + LAST_WORDS_BYTES + _MAPPED_FILES_BYTES
