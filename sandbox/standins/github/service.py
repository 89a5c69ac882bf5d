"""How the GitHub stand-in is started. Options: `repositories`, owner/name to the files of its first commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sandbox.standins import StandIn
from sandbox.standins.github.server import create_app
from sandbox.standins.github.state import GitHubState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _open(key: str, data: Path | None, *, repositories: Mapping[str, Mapping[str, str]] | None = None) -> GitHubState:
    state = GitHubState(keys=[key], folder=data)
    for name, files in (repositories or {}).items():
        state.add_repository(name, files)
    return state


STAND_IN: Final = StandIn(open=_open, app=create_app, secret="GITHUB_TOKEN")  # noqa: S106 - a name
