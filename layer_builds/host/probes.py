"""What an interpreter is: asked once, and kept for as long as its file is the same."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from layer_builds.host.folders import build_dir
from layer_builds.host.processes import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PROBE = (
    "import json, platform, sys, sysconfig; print(json.dumps([platform.python_implementation(), "
    "platform.python_version(), bool(sysconfig.get_config_var('Py_GIL_DISABLED')), hasattr(sys, 'gettotalrefcount')]))"
)


@dataclass(frozen=True, slots=True)
class Probed:
    """What an interpreter says of itself."""

    usable: bool
    """An ordinary CPython: neither debug nor free-threaded."""
    version: str


@cache
def probe(python: Path) -> Probed | None:
    """Ask an interpreter what it is; None for one that does not run."""
    if not python.is_file():
        return None
    state = python.stat()
    key = f"{python.resolve()} {state.st_size} {state.st_mtime_ns}"
    known = build_dir() / "pythons.json"
    answers: dict[str, list[Any]] = {}
    with suppress(OSError, ValueError):
        answers = json.loads(known.read_text(encoding="utf-8"))
    try:
        if key in answers:
            return _parsed(answers[key])
        # A pyenv shim of a version that is not selected exits 127: it is passed over.
        done = subprocess.run(
            [str(python), "-I", "-S", "-c", _PROBE],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env=clean_environment(),
        )
        answer = json.loads(done.stdout)
        probed = _parsed(answer)
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError):
        return None
    _remember(python, known, {**answers, key: answer})
    return probed


def _parsed(answer: list[Any]) -> Probed:
    implementation, version, free_threaded, debug = answer
    return Probed(implementation == "CPython" and not free_threaded and not debug, str(version))


def _remember(python: Path, known: Path, answers: Mapping[str, list[Any]]) -> None:
    """Keep an interpreter's answer; not a script's, which may start another one the next time."""
    with suppress(OSError), python.open("rb") as file:
        if file.read(2) == b"#!":
            return
        known.parent.mkdir(parents=True, exist_ok=True)
        staged = known.with_name(f"{known.name}.{os.getpid()}")
        staged.write_text(json.dumps(answers), encoding="utf-8")
        staged.replace(known)
