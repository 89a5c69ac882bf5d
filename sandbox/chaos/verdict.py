"""What a run says: where every message went, what every fault did, and whether that is what it should be."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sandbox.chaos.messages import Sent

TOLERANCE = 1e-4
"""Of each number of a vector. Rounding makes about 1e-6; any two of the texts differ by far more."""
SHOWN = 5


class Embedder(Protocol):
    """A model, asked directly."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32."""
        ...


@dataclass(slots=True)
class Verdict:
    """Where the distinct messages are when all work is over."""

    distinct: int
    sent: int
    """Duplicates included."""
    stored: int = 0
    """Distinct messages with a vector in the index."""
    failed: int = 0
    """Distinct messages that are in the failure queue only."""
    failed_although_good: int = 0
    """Of these, such as could have been processed: five deliveries in a row met a fault."""
    both: int = 0
    """Stored, and in the failure queue too: what failed was a duplicate, or an answer after the upsert."""
    lost: list[str] = field(default_factory=list[str])
    """Neither here nor there."""
    doubled: list[str] = field(default_factory=list[str])
    """Vectors of nobody's id: a message stored twice, or one that never should be."""
    wrong: list[str] = field(default_factory=list[str])
    """Vectors that are not their text's."""
    largest_difference: float = 0.0
    """Between a stored number and the same of a direct embedding."""

    @property
    def nothing_lost(self) -> bool:
        """The claim."""
        return not (self.lost or self.doubled or self.wrong) and self.stored + self.failed == self.distinct

    def key(self) -> tuple[int, ...]:
        """What has to be the same when the same plan is run again."""
        return (self.distinct, self.sent, self.stored + self.failed, len(self.lost), len(self.doubled), len(self.wrong))

    def to_json(self) -> dict[str, Any]:
        """A plain object; long lists are cut, with their length beside them."""
        lists = {"lost": self.lost, "doubled": self.doubled, "wrong": self.wrong}
        cut = {name: {"count": len(ids), "first": ids[:SHOWN]} for name, ids in lists.items()}
        return {**asdict(self), **cut, "nothing_lost": self.nothing_lost}


def judge(
    messages: Sequence[Sent],
    sent: int,
    vectors: Mapping[str, Sequence[float]],
    failure_queue: Iterable[str],
    model: Embedder,
) -> Verdict:
    """Compare what was sent with what there is.

    Args:
        messages: the distinct ones.
        sent: how many were sent in all.
        vectors: the index, id → values.
        failure_queue: the bodies in it.
        model: embeds the texts again, apart from everything that ran.
    """
    import numpy as np  # noqa: PLC0415 - only where there is something to compare

    verdict = Verdict(len(messages), sent)
    dead = set(failure_queue)
    good = [message for message in messages if message.text is not None]
    for message in messages:
        stored, failed = message.id in vectors, message.body in dead
        verdict.stored += stored
        verdict.failed += failed and not stored
        verdict.failed_although_good += failed and not stored and message.text is not None
        verdict.both += stored and failed
        if not stored and not failed:
            verdict.lost.append(message.id)
    verdict.doubled = sorted(vectors.keys() - {message.id for message in good})
    there = [message for message in good if message.id in vectors]
    if there:
        expected = model.embed([message.text or "" for message in there])
        differences = np.abs(expected - np.array([vectors[message.id] for message in there], np.float32)).max(axis=1)
        verdict.largest_difference = float(differences.max())
        verdict.wrong = [one.id for one, far in zip(there, differences, strict=True) if not far <= TOLERANCE]
    return verdict
