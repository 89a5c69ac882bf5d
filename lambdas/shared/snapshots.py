"""SnapStart: what is done before a snapshot of the environment is taken, and in each environment that is made of it.

Owns the registration only. The module that takes the hooks is of Lambda's runtime, from Python 3.12 on.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def around_snapshot(forget: Callable[[], object]) -> None:
    """Have connections and cached values forgotten before a snapshot and after each restore; reseed chance after it.

    Args:
        forget: closes what is connected, and drops what may have changed meanwhile. Called twice.
    """
    try:
        from snapshot_restore_py import (  # pyright: ignore[reportMissingImports]  the runtime's
            register_after_restore,  # pyright: ignore[reportUnknownVariableType]
            register_before_snapshot,  # pyright: ignore[reportUnknownVariableType]
        )
    except ImportError:  # an older runtime, or a developer's machine: there are no snapshots
        return
    register_before_snapshot(forget)
    register_after_restore(random.seed)  # the waits between retries would be the same in all environments
    register_after_restore(forget)
