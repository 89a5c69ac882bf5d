"""Why a resolution failed, in words that say what to do about it: a typo, a missing wheel or a real conflict."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from layer_builds.plan import normal_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from layer_builds.plan import LayerSpec, Target

_NOT_FOUND = re.compile(r"`?([A-Za-z0-9._-]+)`? was not found in the package registry")
_NO_WHEEL = re.compile(r"`?([A-Za-z0-9][A-Za-z0-9._-]*?)(?:[<>=!~][^\s`]*)?`? (?:has|have) no usable wheels")
_OURS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL")


def refusal(
    layers: Sequence[LayerSpec],
    target: Target,
    platform: str,
    stderr: str,
    environ: Mapping[str, str] = os.environ,
) -> str:
    """The error for what uv said."""
    text = stderr.strip()[-3000:]
    names = ", ".join(layer.name for layer in layers)
    head = f"the requirements of layer {names} cannot be met for {target} ({platform}):\n{text}\n"
    # uv folds its sentences.
    flat = " ".join(text.split())
    if unknown := _NOT_FOUND.search(flat):
        return f"{head}Nothing on the index is called {unknown[1]}: look at its spelling{_index_hint(environ)}"
    if wheelless := _NO_WHEEL.search(flat):
        return f"{head}{_remedies(normal_name(wheelless[1]), target)}"
    return (
        f"{head}Loosen the requirement that uv names. When it is this target alone that has no such version, leave it "
        f"out: `runtimes` and `architectures` in layer.toml{_index_hint(environ)}"
    )


def no_wheel(layer: LayerSpec, package: str, wheels: Sequence[str], target: Target, platform: str) -> str:
    """The error for a package that no wheel of fits a target."""
    return (
        f"package {package} has no wheel for {target} ({platform}); it has {', '.join(wheels) or 'none'}. "
        f"Choose another version in requirements.in of {layer.name}. "
        f"{_remedies(package.split(maxsplit=1)[0], target)}"
    )


def _remedies(name: str, target: Target) -> str:
    return (
        f"When {name} has wheels for other targets, leave {target} out (`runtimes` and `architectures` in layer.toml). "
        f'When it comes as source only, it is built in Docker (`source = ["{name}"]` with an `image` in layer.toml), '
        f"or once by you: `pip wheel --no-deps {name}`, and the folder of the wheel in UV_FIND_LINKS"
    )


def _index_hint(environ: Mapping[str, str]) -> str:
    if (environ.get("PIP_INDEX_URL") or environ.get("PIP_EXTRA_INDEX_URL")) and not any(map(environ.get, _OURS)):
        return (
            ". PIP_INDEX_URL is set, and uv does not read it: give it the same address as UV_DEFAULT_INDEX (after "
            "`aws codeartifact login --tool pip`, the address is in pip's configuration)"
        )
    return ""
