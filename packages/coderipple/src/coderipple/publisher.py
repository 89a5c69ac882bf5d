"""The only one that writes: judges what agents proposed, and commits what passes, all documents of a run at once.

Owns the rules' order and what happens when the branch moves. It never sees a prompt or an answer of a model, only
paths and texts; and it runs in the function's process, whose token the agents' process does not have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from coderipple.changes import AUTHOR, TRAILER, is_own, source_of
from coderipple.documents import path_problem
from coderipple.github_client import ConflictError, NotFoundError
from coderipple.quality import Judged, score
from coderipple.repository import MAX_TEXT_BYTES
from coderipple.rules import content_problems, grown_history, history_problems
from coderipple.texts import as_it_was, is_lfs_pointer, plain
from coderipple.webhook_parser import OWN_BRANCHES
from lambdas.orchestrator.contract import HISTORY_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderipple.config import Config
    from coderipple.proposals import Proposal
    from coderipple.repository import RepositoryWriter, Tree

TRIES: Final = 3
"""Commits that are tried while the branch moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one proposal."""

    path: str
    agent: str
    status: str
    """`committed`; or `refused` (a rule), `below_quality`, `unchanged`, `stale` (it was changed meanwhile)."""
    score: int | None = None
    reasons: tuple[str, ...] = ()
    text: str = field(default="", repr=False)
    """The document's whole text, as it is committed."""
    mode: str = "100644"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of all proposals of a run."""

    outcome: str
    """`committed`, `pull_request`, `nothing`, `already` (an earlier try did it), `stale`, `moving`, `gone`."""
    verdicts: tuple[Verdict, ...] = ()
    reference: str = ""
    """The commit, or the pull request's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where documents go."""

    branch: str
    source: str
    """The commit that they document."""
    changed: Sequence[str]
    """Its paths."""


class Publisher:
    """Judges and commits the documents of one run."""

    def __init__(self, writer: RepositoryWriter, config: Config, known_secrets: Sequence[str]) -> None:
        self._writer = writer
        self._config = config
        self._known_secrets = known_secrets

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
        """
        for _ in range(TRIES):
            head = self._writer.head(target.branch)
            if head is None:
                return Published(outcome="gone")
            if done := self._done(target, head, by_pull_request=by_pull_request):
                return Published(outcome="already", reference=done)
            verdicts = self.judge(target, proposals, head)
            if not last and any(verdict.status == "stale" for verdict in verdicts):
                return Published(outcome="stale", verdicts=verdicts)
            accepted = [verdict for verdict in verdicts if verdict.status == "committed"]
            if not accepted:
                return Published(outcome="nothing", verdicts=verdicts)
            try:
                return self._commit(target, head, accepted, verdicts, by_pull_request=by_pull_request)
            except ConflictError:
                if self._writer.head(target.branch) == head:  # it has not moved: protected, or the text is refused
                    raise
        return Published(outcome="moving")

    def judge(self, target: Target, proposals: Sequence[Proposal], head: str) -> tuple[Verdict, ...]:
        """Judge proposals against a commit of the branch; of two for one path, the first counts."""
        tree = self._writer.tree(head)
        paths = {*tree.entries, *(proposal.path for proposal in proposals)}
        verdicts: dict[str, Verdict] = {}
        more: list[Verdict] = []
        for proposal in proposals:
            earlier = verdicts.get(proposal.path)
            if earlier is not None and not (earlier.status == "committed" and proposal.appends):
                reason = f"{earlier.agent} proposed this document in the same run"
                more.append(_refused(proposal, "refused", (reason,)))
                continue
            started = earlier.text if earlier is not None else None
            verdicts[proposal.path] = self._judged(target, proposal, tree, paths, started)
        return (*verdicts.values(), *more)

    def _judged(self, target: Target, proposal: Proposal, tree: Tree, paths: set[str], started: str | None) -> Verdict:
        entry = tree.entries.get(proposal.path)
        problem = path_problem(proposal.path, self._config.doc_paths, tree.entries)
        if problem is None and (proposal.path == HISTORY_PATH) != proposal.appends:
            problem = "the history grows at its end, and nothing else does"
        if problem is None and not tree.complete:
            problem = "GitHub does not list all files of this repository, so it is not known what is there"
        if problem is None and entry is not None and not entry.is_plain:
            problem = "it is a link or a submodule"
        if problem is None and entry is not None and entry.size > MAX_TEXT_BYTES:
            problem = f"what is there has {entry.size:,} bytes, too many to read"
        if problem is not None:
            return _refused(proposal, "refused", (problem,))
        before = started if started is not None else self._writer.text(entry) if entry is not None else None
        if entry is not None and before is None:
            return _refused(proposal, "refused", ("what is there is no text",))
        if before is not None and is_lfs_pointer(before):
            return _refused(proposal, "refused", ("it is kept in Git LFS: a text would take its pointer's place",))
        if not proposal.appends and proposal.base != (entry.sha if entry else None):
            return _refused(proposal, "stale", ("it was changed since the agent read it",))
        return self._content_judged(target, proposal, before, paths, entry.mode if entry else "100644")

    def _content_judged(
        self, target: Target, proposal: Proposal, held: str | None, paths: set[str], mode: str
    ) -> Verdict:
        before = plain(held) if held is not None else None
        problems = content_problems(proposal.path, proposal.content, before or "", self._known_secrets)
        if proposal.appends:
            problems += history_problems(proposal.content, before)
        if problems:
            return _refused(proposal, "refused", tuple(problems))
        text = grown_history(before, proposal.content) if proposal.appends else _with_end(proposal.content)
        if before is not None and text == _with_end(before):
            return _refused(proposal, "unchanged", ("it says what the document says already",))
        judged = Judged(
            path=proposal.path,
            text=proposal.content if proposal.appends else text,
            before=None if proposal.appends else before,
            paths=paths,
            changed=target.changed,
        )
        points = score(judged)
        enough = points.points >= self._config.min_quality_score
        return Verdict(
            path=proposal.path,
            agent=proposal.agent,
            status="committed" if enough else "below_quality",
            score=points.points,
            reasons=points.reasons,
            text=as_it_was(text, held) if enough else "",
            mode=mode,
        )

    def _commit(
        self,
        target: Target,
        head: str,
        accepted: Sequence[Verdict],
        verdicts: tuple[Verdict, ...],
        *,
        by_pull_request: bool,
    ) -> Published:
        files = [(verdict.path, verdict.mode, verdict.text) for verdict in accepted]
        tree = self._writer.create_tree(self._writer.tree(head).sha, files)
        message = commit_message(target.source, accepted)
        commit = self._writer.create_commit(message, tree, head, AUTHOR)
        if not by_pull_request:
            self._writer.advance(target.branch, commit)
            return Published(outcome="committed", verdicts=verdicts, reference=commit)
        branch = own_branch(target)
        # Where the branch is there, an earlier try made it and was cut off: what it committed counts.
        self._writer.create_branch(branch, commit)
        return Published(outcome="pull_request", verdicts=verdicts, reference=self._opened(target, branch, message))

    def _opened(self, target: Target, branch: str, message: str) -> str:
        title, _, body = message.partition("\n")
        return self._writer.open_pull_request(branch, target.branch, title, body.strip())

    def _done(self, target: Target, head: str, *, by_pull_request: bool) -> str | None:
        """The commit or pull request of an earlier try of this run that was cut off after it."""
        if by_pull_request:
            branch = own_branch(target)
            made = self._writer.head(branch)
            return self._opened(target, branch, self._message(made, head)) if made else None
        if head == target.source:
            return None
        try:
            commits = self._writer.compare(target.source, head).commits
        except NotFoundError:
            return None
        own = (commit for commit in commits if is_own(commit))
        return next((commit.sha for commit in own if source_of(commit.message) == target.source), None)

    def _message(self, made: str, head: str) -> str:
        commits = self._writer.compare(head, made).commits
        return commits[-1].message if commits else "docs: what was pushed"


def own_branch(target: Target) -> str:
    """The branch on which the documents of a commit are proposed."""
    return f"{OWN_BRANCHES}{target.source[:12]}"


def commit_message(source: str, accepted: Sequence[Verdict]) -> str:
    """Return the message of a run's commit. No text of an agent is in it."""
    names = ", ".join(verdict.path.rpartition("/")[2] for verdict in accepted)
    title = f"docs: update {names}"
    if len(title) > 72:  # noqa: PLR2004 - what git's own tools show
        title = f"docs: update {len(accepted)} documents"
    lines = [f"- {verdict.path} ({verdict.agent}, score {verdict.score})" for verdict in accepted]
    return "\n".join([title, "", f"Documents what {source[:12]} changed:", *lines, "", f"{TRAILER}: {source}", ""])


def _refused(proposal: Proposal, status: str, reasons: tuple[str, ...]) -> Verdict:
    return Verdict(path=proposal.path, agent=proposal.agent, status=status, reasons=reasons)


def _with_end(text: str) -> str:
    return f"{text.rstrip()}\n"
