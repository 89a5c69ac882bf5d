"""The only one that writes: commits what passes of what agents proposed, all documents of a run at once.

Owns what happens when the branch moves, and when an earlier try was cut off. It never sees a prompt or an answer of a
model, only paths and texts; and it runs in the function's process, whose token the agents' process does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coderipple.changes import AUTHOR
from coderipple.earlier import Target, documents_of, find_earlier, own_branch, text_of, title_of
from coderipple.github_client import ConflictError
from coderipple.judging import Judge, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderipple.config import Config
    from coderipple.proposals import Proposal
    from coderipple.repository import RepositoryWriter

TRIES: Final = 3
"""Commits that are tried while the branch moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of all proposals of a run."""

    outcome: str
    """`committed`, `pull_request`, `nothing`, `already` (it was done before), `stale`, `moving`, `gone`."""
    verdicts: tuple[Verdict, ...] = ()
    reference: str = ""
    """The commit, or the pull request's address."""


class Publisher:
    """Judges and commits the documents of one run."""

    def __init__(self, writer: RepositoryWriter, config: Config, known_secrets: Sequence[str]) -> None:
        self._writer = writer
        self._config = config
        self._known_secrets = known_secrets

    def before(self, target: Target, *, by_pull_request: bool) -> Published | None:
        """What ends a run before any agent is asked: the commit is gone, or its documents are there.

        Raises:
            RefusedError: somebody else made the branch for its pull request.
        """
        return self._before(target, self._writer.head(target.branch), by_pull_request=by_pull_request)

    def publish(
        self, target: Target, proposals: Sequence[Proposal], *, by_pull_request: bool, last: bool = False
    ) -> Published:
        """Commit what passes, to the branch or to one of its own with a pull request.

        Args:
            target: where it goes.
            proposals: of all agents, in their order.
            by_pull_request: not to the branch itself.
            last: documents that were changed meanwhile are left out, because nobody looks at them again.

        Returns:
            What became of each. `stale` means that documents were changed since agents read them, and that nothing was
            committed: those agents have to look again.

        Raises:
            RetryLaterError: GitHub failed; trying all of it again is safe.
            RefusedError: somebody else made the branch for its pull request.
        """
        for _ in range(TRIES):
            head = self._writer.head(target.branch)
            if ended := self._before(target, head, by_pull_request=by_pull_request):
                return ended
            assert head is not None  # noqa: S101 - it is gone otherwise
            verdicts = self.judge(target, proposals, head)
            if not last and any(verdict.status == "stale" for verdict in verdicts):
                return Published(outcome="stale", verdicts=verdicts)
            if all(verdict.status != "committed" for verdict in verdicts):
                return Published(outcome="nothing", verdicts=verdicts)
            try:
                if published := self._commit(target, head, verdicts, by_pull_request=by_pull_request):
                    return published
            except ConflictError:
                if self._writer.head(target.branch) == head:  # it has not moved: protected, or the text is refused
                    raise
        return Published(outcome="moving")

    def judge(self, target: Target, proposals: Sequence[Proposal], head: str) -> tuple[Verdict, ...]:
        """Judge proposals against a commit of the branch; of two for one path, the first counts."""
        return Judge(self._writer, self._config, self._known_secrets, target.changed, head).judge(proposals)

    def _before(self, target: Target, head: str | None, *, by_pull_request: bool) -> Published | None:
        earlier = find_earlier(self._writer, target, head)
        if earlier.gone or head is None:
            return Published(outcome="gone")
        if earlier.reference:
            return Published(outcome="already", reference=earlier.reference)
        made = self._writer.head(own_branch(target)) if by_pull_request else None
        if made is None:
            return None
        paths = documents_of(self._writer, made, target, head, self._config.doc_paths)
        return Published(outcome="already", reference=self._opened(target, paths))

    def _commit(
        self, target: Target, head: str, verdicts: tuple[Verdict, ...], *, by_pull_request: bool
    ) -> Published | None:
        accepted = [verdict for verdict in verdicts if verdict.status == "committed"]
        files = [(verdict.path, verdict.mode, verdict.text) for verdict in accepted]
        tree = self._writer.create_tree(self._writer.tree(head).sha, files)
        commit = self._writer.create_commit(commit_message(target.source, accepted), tree, head, AUTHOR)
        if self._writer.head(target.branch) != head:  # moved back, it would take the commit all the same
            return None
        if not by_pull_request:
            self._writer.advance(target.branch, commit)
            return Published(outcome="committed", verdicts=verdicts, reference=commit)
        paths = tuple(verdict.path for verdict in accepted)
        if not self._writer.create_branch(own_branch(target), commit):  # somebody was quicker: what is there counts
            made = self._writer.head(own_branch(target)) or commit
            paths = documents_of(self._writer, made, target, head, self._config.doc_paths)
        return Published(outcome="pull_request", verdicts=verdicts, reference=self._opened(target, paths))

    def _opened(self, target: Target, paths: Sequence[str]) -> str:
        title, body = title_of(paths), text_of(target.source, paths)
        return self._writer.open_pull_request(own_branch(target), target.branch, title, body)


def commit_message(source: str, accepted: Sequence[Verdict]) -> str:
    """Return the message of a run's commit. No text of an agent is in it."""
    lines = [f"{verdict.path} ({verdict.agent}, score {verdict.score})" for verdict in accepted]
    return f"{title_of([verdict.path for verdict in accepted])}\n\n{text_of(source, lines)}"
