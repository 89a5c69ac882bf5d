"""Where archives, logs and caches are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from layer_builds.plan import REPOSITORY

BUILD_DIR_VARIABLE = "STRATA_BUILD_DIR"
"""Names another folder than `.build`: on a larger disk, or of a test's own."""


INSIDE = "STRATA_INSIDE_BUILD_IMAGE"
"""Is 1 in the process that builds inside the build image."""


def build_dir() -> Path:
    """Archives, logs and caches; ignored by git, safe to delete."""
    return Path(os.environ.get(BUILD_DIR_VARIABLE) or REPOSITORY / ".build")
