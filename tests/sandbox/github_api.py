"""The GitHub stand-in for tests: a server, and a client of it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import httpx

from sandbox.standins.github.server import create_app
from sandbox.standins.github.state import DEFAULT_KEY, GitHubState
from sandbox.standins.serving import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPO = "acme/kettle"
FILES = {
    "README.md": "# Kettle\n\nIt sings.\n",
    "docs/guide.md": "# Guide\n",
    "src/kettle.py": '"""Boils water."""\n\n\ndef boil(litres: float) -> None:\n    """Heat water."""\n',
}


class Api:
    """A client with one token."""

    def __init__(self, url: str, token: str | None = DEFAULT_KEY) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30)

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask for a path in the repository, or for one from the root: with a slash."""
        url = path if path.startswith("/") else f"/repos/{REPO}/{path}".rstrip("/")
        return self.http.request(method, url, **arguments)

    def get(self, path: str, **arguments: Any) -> Any:
        """The JSON of an answer that has to be 200."""
        answer = self.ask("GET", path, **arguments)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def make(self, path: str, **body: Any) -> Any:
        """The JSON of what was made."""
        answer = self.ask("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def tip(self, branch: str = "main") -> str:
        """The commit of a branch."""
        return self.get(f"git/ref/heads/{branch}")["object"]["sha"]

    def text(self, path: str, ref: str = "main") -> str:
        """A file's text."""
        return base64.b64decode(self.get(f"contents/{path}", params={"ref": ref})["content"]).decode()

    def commit(self, parent: str, files: dict[str, str | None], message: str = "docs") -> str:
        """A commit by way of the git database; no branch moves."""
        tree = [
            {"path": path, "mode": "100644", "type": "blob", **({"sha": None} if text is None else {"content": text})}
            for path, text in files.items()
        ]
        base = self.get(f"git/commits/{parent}")["tree"]["sha"]
        made = self.make("git/trees", base_tree=base, tree=tree)
        return self.make("git/commits", message=message, tree=made["sha"], parents=[parent])["sha"]

    def move(self, branch: str, sha: str, *, force: bool = False) -> httpx.Response:
        """Ask that a branch be moved."""
        return self.ask("PATCH", f"git/refs/heads/{branch}", json={"sha": sha, "force": force})


def serve(folder: Path) -> Iterator[tuple[GitHubState, Server]]:
    """Yield a state with one repository, and its server."""
    state = GitHubState(folder=folder)
    state.add_repository(REPO, FILES)
    with Server(create_app(state)) as server:
        yield state, server
    state.close()
