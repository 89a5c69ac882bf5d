"""What the stand-in holds: repositories, tokens, apps, webhooks and their deliveries, limits, faults.

Tests and demonstrations hold it, too, and do with it what somebody with a git client or GitHub's pages would do: make a
repository, push, open a pull request, register a webhook, ask for a redelivery.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sandbox.standins.github import payloads
from sandbox.standins.github.access import Access, Actor, App, Caller, Installation, User
from sandbox.standins.github.hooks import Deliveries, Delivery
from sandbox.standins.github.limits import Limits
from sandbox.standins.github.problems import invalid, not_found
from sandbox.standins.github.repository import Hook, Pull, Repository, number_of
from sandbox.standins.github.store import ZERO, Edit, Person, Store
from sandbox.standins.serving import ServerState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_KEY: Final = "github_pat_local"
FILE: Final = 0o100644


class GitHubState(ServerState):
    """Everything behind one server. Its methods may be called from any thread."""

    def __init__(
        self, *, keys: Iterable[str] = (DEFAULT_KEY,), folder: Path | None = None, api: str = "http://127.0.0.1"
    ) -> None:
        """Open what the folder holds.

        Args:
            keys: values that are accepted as a token which may write to every repository.
            folder: where the repositories are kept; None is a temporary one.
            api: the address that links begin with, until a server is asked at its own.
        """
        super().__init__(keys)
        self.lock = threading.RLock()
        self.folder = folder or Path(tempfile.mkdtemp(prefix="strata-github-"))
        self._temporary = folder is None
        self.api = api
        self.access = Access()
        self.limits = Limits()
        self.deliveries = Deliveries()
        self.repositories: dict[str, Repository] = {}
        self.key_user = User("strata-publisher", 1_001)
        """Who the server's own key stands for."""
        self.commits_per_push = payloads.COMMITS
        self.largest_tree = 100_000
        """Entries of a recursive tree; more are left out, and `truncated` says so."""
        self._numbers = itertools.count(500_000_001)

    def close(self) -> None:
        """End deliveries; remove a temporary folder."""
        self.deliveries.close()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def key_caller(self) -> Caller:
        """Who holds the server's own key."""
        permissions = {"contents": "write", "pull_requests": "write", "repository_hooks": "write"}
        return Caller(self.key_user.login, self.key_user, permissions, None, "token")

    def serve_at(self, api: str) -> None:
        """Let links begin with this address: where the server turned out to be asked."""
        if api != self.api:
            self.api = api
            for repo in self.repositories.values():
                repo.api = api

    # --- what somebody does on github.com ---

    def add_repository(
        self,
        full_name: str,
        files: Mapping[str, str | bytes] | None = None,
        *,
        private: bool = True,
        branch: str = "main",
    ) -> Repository:
        """Make a repository, with one commit when there are files; one that is in the folder already is opened."""
        owner, _, name = full_name.partition("/")
        with self.lock:
            store = Store(self.folder / f"{full_name.lower()}.git", branch)
            account = User(owner, number_of(owner), "Organization")
            repo = Repository(account, name, store, private, branch, self.api)
            self.repositories[full_name.lower()] = repo
            if files and store.target(f"refs/heads/{branch}") is None:
                self._commit(repo, branch, files, "Initial commit", Person("Ada Lovelace", "ada@example.com"))
        return repo

    def repository(self, full_name: str) -> Repository:
        """A repository by its name.

        Raises:
            GitHubError: 404: there is none.
        """
        if (found := self.repositories.get(full_name.lower())) is None:
            raise not_found()
        return found

    def add_app(
        self, slug: str, number: int, public_key: str, repositories: Iterable[str], permissions: Mapping[str, str]
    ) -> App:
        """Register a GitHub App and install it on repositories of one owner."""
        names = [name.lower() for name in repositories]
        account = self.repository(names[0]).owner
        installation = Installation(id=next(self._numbers), account=account, repositories=frozenset(names))
        app = App(id=number, slug=slug, public_key=public_key, permissions=permissions, installation=installation)
        return self.access.add_app(app)

    def add_hook(
        self,
        full_name: str,
        url: str,
        secret: str = "",
        events: Iterable[str] = ("push",),
        content_type: str = "json",
    ) -> Hook:
        """Register a webhook; it is sent a `ping`."""
        repo = self.repository(full_name)
        with self.lock:
            hook = Hook(
                id=next(self._numbers), url=url, secret=secret, events=frozenset(events), content_type=content_type
            )
            repo.hooks[hook.id] = hook
            self.deliveries.send(hook, "ping", payloads.ping(repo, hook, repo.owner), repo.id)
        return hook

    def push(
        self,
        full_name: str,
        files: Mapping[str, str | bytes | None],
        message: str,
        *,
        branch: str = "",
        user: User | None = None,
        force: bool = False,
    ) -> list[Delivery]:
        """Commit files to a branch as somebody with a git client would, and tell the webhooks; None removes a file."""
        who = user or User("ada", 1_815)
        repo = self.repository(full_name)
        name = branch or repo.default_branch
        with self.lock:
            reference = f"refs/heads/{name}"
            before = repo.store.target(reference)
            after = self._commit(repo, name, files, message, Person("Ada Lovelace", who.email), amend=force)
            return self.moved(repo, reference, str(before or ZERO), after, Actor(who))

    def _commit(
        self,
        repo: Repository,
        branch: str,
        files: Mapping[str, str | bytes | None],
        message: str,
        author: Person,
        *,
        amend: bool = False,
    ) -> str:
        store, reference = repo.store, f"refs/heads/{branch}"
        tip = store.target(reference) or store.target(f"refs/heads/{repo.default_branch}")
        parent = None if tip is None else store.commit(str(tip))
        edits = {path: self._edit(store, content) for path, content in files.items()}
        tree = store.write_tree(parent.tree if parent else None, edits)
        parents = [] if parent is None else list(parent.parent_ids) if amend else [parent.id]
        commit = store.write_commit(tree, parents, message, author)
        store.move(reference, commit.id, force=amend)
        return str(commit.id)

    @staticmethod
    def _edit(store: Store, content: str | bytes | None) -> Edit:
        data = content.encode() if isinstance(content, str) else content
        return Edit(FILE, None if data is None else store.blob(data))

    # --- what follows from it ---

    def moved(self, repo: Repository, reference: str, before: str, after: str, by: Actor) -> list[Delivery]:
        """Tell the webhooks that a reference moved, and that pull requests moved with it."""
        repo.pushed = time.time()
        move = payloads.Move(
            reference=reference,
            before=before,
            after=after,
            by=by,
            most_commits=self.commits_per_push,
        )
        sent = self.tell(repo, "push", payloads.push(repo, move))
        if reference.startswith("refs/heads/") and ZERO not in {before, after}:
            for pull in repo.open_pulls(reference.removeprefix("refs/heads/")):
                payload = payloads.pull_request(repo, pull, "synchronize", by, (before, after))
                sent += self.tell(repo, "pull_request", payload)
        return sent

    def tell(self, repo: Repository, event: str, payload: Mapping[str, Any]) -> list[Delivery]:
        """Send an event to every webhook that wants it."""
        return [
            self.deliveries.send(hook, event, payload, repo.id) for hook in repo.hooks.values() if hook.wants(event)
        ]

    def open_pull(
        self,
        repo: Repository,
        title: str,
        head: str,
        base: str,
        *,
        by: Actor,
        body: str | None = None,
        draft: bool = False,
    ) -> Pull:
        """Open a pull request, and tell the webhooks.

        Raises:
            GitHubError: 422: a branch is not there, or nothing is between them, or there is one already.
        """
        for field, branch in (("head", head), ("base", base)):
            if repo.store.target(f"refs/heads/{branch}") is None:
                raise invalid("Validation Failed", {"resource": "PullRequest", "field": field, "code": "invalid"})
        if any(pull.base == base for pull in repo.open_pulls(head)):
            raise _custom(f"A pull request already exists for {repo.owner.login}:{head}.")
        store = repo.store
        if store.contains(store.commit(base).id, store.commit(head).id):
            raise _custom(f"No commits between {base} and {head}")
        number = max(repo.pulls, default=0) + 1
        pull = repo.pulls[number] = Pull(number, title, body, by.user, head, base, draft=draft)
        self.tell(repo, "pull_request", payloads.pull_request(repo, pull, "opened", by))
        return pull


def _custom(message: str) -> Exception:
    return invalid("Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})
