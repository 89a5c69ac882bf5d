"""What a run says of one system: where every input went, and whether that is where it should be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

SHOWN = 5
PROBLEMS = ("lost", "doubled", "wrong", "unexplained")


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Where the distinct inputs are when all work is over."""

    distinct: int
    sent: int
    """Duplicates included."""
    done: int = 0
    """Distinct inputs with exactly their effect."""
    dead: int = 0
    """Distinct inputs that are in a dead-letter queue only."""
    dead_although_good: int = 0
    """Of these, such as could have been processed: every delivery met a fault."""
    both: int = 0
    """Done, and in a dead-letter queue too: what failed was a duplicate, or an answer after the work."""
    lost: list[str] = field(default_factory=list[str])
    """Neither here nor there, or of an older version."""
    doubled: list[str] = field(default_factory=list[str])
    """Effects of nobody's, or a second one."""
    wrong: list[str] = field(default_factory=list[str])
    """Effects that are not what they should be."""
    unexplained: list[str] = field(default_factory=list[str])
    """In a dead-letter queue without a reason."""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    """What else is shown: title → value."""

    @classmethod
    def of(
        cls,
        *,
        sent: int,
        inputs: Mapping[str, bool],
        done: Collection[str],
        dead: Mapping[str, str],
        doubled: Iterable[str] = (),
        wrong: Iterable[str] = (),
        facts: Mapping[str, str] | None = None,
    ) -> Verdict:
        """Count.

        Args:
            sent: how many inputs were sent, duplicates included.
            inputs: the distinct ones → whether they can be processed.
            done: those with exactly their effect; of one that can never be processed, the answer that says so.
            dead: those in a dead-letter queue → the reason that is known of it.
            doubled: effects of nobody's, or second ones.
            wrong: effects that are not what they should be.
            facts: what else is shown.
        """
        known, wrong = {name: reason for name, reason in dead.items() if name in inputs}, set(wrong)
        only = known.keys() - set(done)
        return cls(
            distinct=len(inputs),
            sent=sent,
            done=sum(name in done for name in inputs),
            dead=len(only),
            dead_although_good=sum(inputs[name] for name in only),
            both=len(known) - len(only),
            lost=sorted(inputs.keys() - set(done) - only - wrong),
            doubled=sorted(doubled),
            wrong=sorted(wrong),
            unexplained=sorted(name for name, reason in known.items() if not reason),
            facts=dict(facts or {}),
        )

    @property
    def problems(self) -> dict[str, list[str]]:
        """Names of inputs by what is wrong with them."""
        return {what: getattr(self, what) for what in PROBLEMS}

    @property
    def found(self) -> set[str]:
        """What there is of them."""
        return {what for what, names in self.problems.items() if names}

    @property
    def nothing_lost(self) -> bool:
        """The claim: each input has exactly its effect, or is in a dead-letter queue with its reason."""
        return not self.found and self.done + self.dead == self.distinct

    def key(self) -> tuple[int, ...]:
        """What has to be the same when the same plan is run again."""
        return (self.distinct, self.sent, self.done + self.dead, *(len(names) for names in self.problems.values()))

    def summary(self) -> str:
        """In a few words."""
        return f"{self.done:,} done, {self.dead + self.both:,} in a dead-letter queue"

    def rows(self) -> dict[str, str]:
        """What is shown."""
        return {
            "Distinct inputs": f"{self.distinct:,}",
            "With exactly their effect": f"{self.done:,}",
            "In a dead-letter queue only": f"{self.dead:,}",
            "… although they were good": f"{self.dead_although_good:,}",
            "Done, and a delivery in a dead-letter queue": f"{self.both:,}",
            "Lost": f"{len(self.lost):,}",
            "Doubled": f"{len(self.doubled):,}",
            "Wrong": f"{len(self.wrong):,}",
            "In a dead-letter queue without a reason": f"{len(self.unexplained):,}",
            **self.facts,
        }

    def to_json(self) -> dict[str, Any]:
        """A plain object; long lists are cut, with their length beside them."""
        cut = {name: {"count": len(ids), "first": ids[:SHOWN]} for name, ids in self.problems.items()}
        return {**asdict(self), **cut, "nothing_lost": self.nothing_lost}
