"""Judges what agents proposed against a commit of a branch: which documents may be written, and why others may not.

Owns the rules' order. It reads only, and of two proposals that do not fit together it lets the first one count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from coderipple.documents import path_problem
from coderipple.quality import Judged, score
from coderipple.repository import MAX_TEXT_BYTES
from coderipple.rules import content_problems, grown_history, history_problems
from coderipple.texts import as_it_was, is_lfs_pointer, plain
from lambdas.orchestrator.contract import HISTORY_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderipple.config import Config
    from coderipple.proposals import Proposal
    from coderipple.repository import Entry, RepositoryReader, Tree


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


class Judge:
    """Judges the proposals of one run against one commit."""

    def __init__(
        self, reader: RepositoryReader, config: Config, known_secrets: Sequence[str], changed: Sequence[str], head: str
    ) -> None:
        """Read the tree.

        Args:
            reader: of the repository.
            config: paths that may be written, and the least score.
            known_secrets: values that no document may hold.
            changed: the paths that are documented.
            head: the commit that documents would be written to.
        """
        self._reader = reader
        self._config = config
        self._known_secrets = known_secrets
        self._changed = changed
        self._tree: Tree = reader.tree(head)
        self._taken = set(self._tree.entries)
        """Paths that are there, or will be by what was accepted."""

    def judge(self, proposals: Sequence[Proposal]) -> tuple[Verdict, ...]:
        """Judge proposals in their order."""
        paths = {*self._tree.entries, *(proposal.path for proposal in proposals)}
        verdicts: dict[str, Verdict] = {}
        more: list[Verdict] = []
        for proposal in proposals:
            earlier = verdicts.get(proposal.path)
            if earlier is not None and not (earlier.status == "committed" and proposal.appends):
                reason = f"{earlier.agent} proposed this document in the same run"
                more.append(_refused(proposal, "refused", (reason,)))
                continue
            started = earlier.text if earlier is not None else None
            verdict = verdicts[proposal.path] = self._judged(proposal, paths, started)
            if verdict.status == "committed":
                self._taken.add(verdict.path)
        return (*verdicts.values(), *more)

    def _judged(self, proposal: Proposal, paths: set[str], started: str | None) -> Verdict:
        entry = self._tree.entries.get(proposal.path)
        if problem := self._place_problem(proposal, entry):
            return _refused(proposal, "refused", (problem,))
        before = started if started is not None else self._reader.text(entry) if entry is not None else None
        if entry is not None and before is None:
            return _refused(proposal, "refused", ("what is there is no text",))
        if before is not None and is_lfs_pointer(before):
            return _refused(proposal, "refused", ("it is kept in Git LFS: a text would take its pointer's place",))
        if not proposal.appends and proposal.base != (entry.sha if entry else None):
            return _refused(proposal, "stale", ("it was changed since the agent read it",))
        return self._content_judged(proposal, before, paths, entry.mode if entry else "100644")

    def _place_problem(self, proposal: Proposal, entry: Entry | None) -> str | None:
        if problem := path_problem(proposal.path, self._config.doc_paths, self._taken):
            return problem
        if (proposal.path == HISTORY_PATH) != proposal.appends:
            return "the history grows at its end, and nothing else does"
        if not self._tree.complete:
            return "GitHub does not list all files of this repository, so it is not known what is there"
        if entry is not None and not entry.is_plain:
            return "it is a link or a submodule"
        if entry is not None and entry.size > MAX_TEXT_BYTES:
            return f"what is there has {entry.size:,} bytes, too many to read"
        return None

    def _content_judged(self, proposal: Proposal, held: str | None, paths: set[str], mode: str) -> Verdict:
        before = plain(held) if held is not None else None
        problems = content_problems(proposal.path, proposal.content, before or "", self._known_secrets)
        if proposal.appends:
            problems += history_problems(proposal.content, before)
        text = _written(proposal, held)
        if proposal.appends and not text.startswith(held or ""):
            problems.append("the history would not begin with what it is now")
        if problems:
            return _refused(proposal, "refused", tuple(problems))
        if before is not None and plain(text) == _with_end(before):
            return _refused(proposal, "unchanged", ("it says what the document says already",))
        judged = Judged(
            path=proposal.path,
            text=proposal.content if proposal.appends else plain(text),
            before=None if proposal.appends else before,
            paths=paths,
            changed=self._changed,
        )
        points = score(judged)
        enough = points.points >= self._config.min_quality_score
        return Verdict(
            path=proposal.path,
            agent=proposal.agent,
            status="committed" if enough else "below_quality",
            score=points.points,
            reasons=points.reasons,
            text=text if enough else "",
            mode=mode,
        )


def _written(proposal: Proposal, held: str | None) -> str:
    """The whole text of a document as it would be committed."""
    if proposal.appends:
        return grown_history(held, proposal.content)
    return as_it_was(_with_end(proposal.content), held)


def _refused(proposal: Proposal, status: str, reasons: tuple[str, ...]) -> Verdict:
    return Verdict(path=proposal.path, agent=proposal.agent, status=status, reasons=reasons)


def _with_end(text: str) -> str:
    return f"{text.rstrip()}\n"
