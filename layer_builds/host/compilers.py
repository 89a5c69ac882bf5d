"""Which Python compiles a layer here: the pinned release, another that makes the same bytes, or the one that uv gets.

Owns the order in which they are tried, and getting one. Whether another release made the same bytes is the builder's to
say: it compares with the manifest (docs/adr/0007).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from layer_builds.host.interpreters import find_interpreter, find_others
from layer_builds.host.processes import Log, Processes, clean_environment, find_uv
from layer_builds.plan import LayerBuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_INSTALL_TIMEOUT_SECONDS = 600.0


def compilers(version: str, *, stand_ins: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """Yield Pythons to compile with; the next one is for when the last one's bytes were not the right ones.

    Args:
        version: The release whose bytecode is wanted, for example `3.13.0`.
        stand_ins: Whether other releases of the minor version may try: only where it is known what has to come out.
        say: Progress callback.

    Raises:
        LayerBuildError: that release is not here and uv could not get it, and no other one did.
    """
    try:
        yield find_interpreter(version)
    except LayerBuildError:
        tried: Mapping[str, Path] = find_others(version) if stand_ins else {}
        for other, python in tried.items():
            say(f"CPython {version} is not here: {other} tries to make the same bytes")
            yield python
        say(f"CPython {version} is not here: uv installs it")
        yield get_interpreter(version, tried=tuple(tried))


def get_interpreter(version: str, *, tried: Sequence[str] = ()) -> Path:
    """Find a CPython of exactly that release, and let uv install it where there is none.

    Args:
        version: For example `3.13.0`.
        tried: Releases that are here and made other bytes, for the error.

    Raises:
        LayerBuildError: there is none, and uv may not or could not install it.
    """
    try:
        return find_interpreter(version)
    except LayerBuildError as missing:
        problem = _install(version)
        if problem is not None:
            made = f"\n{' and '.join(tried)}, which is here, makes other bytes than manifest.json has" if tried else ""
            raise LayerBuildError(f"{missing}{made}\nIt was not installed now: {problem}") from None
    return find_interpreter(version)


def get_interpreters(versions: Iterable[str]) -> None:
    """See to it that releases are here before the work begins that needs them.

    Raises:
        LayerBuildError: some are not, and could not be installed; all of them in one message.
    """
    missing: dict[str, str] = {}
    for version in sorted(set(versions)):
        try:
            get_interpreter(version)
        except LayerBuildError as error:
            missing[version] = str(error)
    if missing:
        first = next(iter(missing.values()))
        every = f"All that are missing: run `uv python install {' '.join(missing)}`. " if len(missing) > 1 else ""
        raise LayerBuildError(f"{every}{first}")


def _install(version: str) -> str | None:
    """Have uv install a release among its own; None, or why it did not."""
    if os.environ.get("UV_PYTHON_DOWNLOADS") == "never":
        return "UV_PYTHON_DOWNLOADS is never"
    # An explicit `uv python install` is what `manual` allows; no link is put into the user's PATH.
    environment = {**clean_environment(), "UV_PYTHON_DOWNLOADS": "manual"}
    command = [find_uv(), "python", "install", "--no-bin", version]
    done = Processes(Log())(command, env=environment, timeout_seconds=_INSTALL_TIMEOUT_SECONDS)
    return None if done.returncode == 0 else done.stderr.strip()[-1000:]
