"""A function's package as Pulumi takes it: our own .py files, and what the version is published with.

Which files are in it is said by the layer builder's plan, since an image holds the same ones.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi

from layer_builds.plan import REPOSITORY, read_code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

REVISION_FILE: Final = "strata-revision.json"
"""At the root of every package: what it was published with."""


@dataclass(frozen=True, slots=True)
class CodePackage:
    """The files of one function: repository path → text."""

    files: dict[str, str]

    @property
    def bytes(self) -> int:
        """Unzipped size, which counts towards Lambda's limit together with the layers."""
        return sum(len(text.encode()) for text in self.files.values())

    def archive(self, configuration: Mapping[str, object]) -> pulumi.AssetArchive:
        """Return the package for Pulumi, as texts: no path of this machine enters the state.

        It also holds a digest of the function's configuration, and so differs whenever a version is published. Lambda
        makes a version of whatever its $LATEST holds: an update of the configuration alone would publish code that
        somebody edited in the console. With a package that differs, every update sets the code as well.

        Args:
            configuration: Everything else that the function is made of.
        """
        described = json.dumps(configuration, sort_keys=True)
        revision = {"configuration": hashlib.sha256(described.encode()).hexdigest()}
        files = {**self.files, REVISION_FILE: f"{json.dumps(revision)}\n"}
        return pulumi.AssetArchive({path: pulumi.StringAsset(text) for path, text in files.items()})


def code_package(function: str, root: Path = REPOSITORY, *, at_root: Sequence[str] = ()) -> CodePackage:
    """Read the package of a function: see `layer_builds.plan.read_code`."""
    return CodePackage(read_code(function, root, at_root=at_root))
