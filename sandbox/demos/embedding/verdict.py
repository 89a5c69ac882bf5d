"""Where every text went: the index compared with direct embeddings of the texts, and the dead-letter queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sandbox.chaos.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sandbox.chaos.ending import DeadLetter
    from sandbox.demos.embedding.messages import Sent

TOLERANCE = 1e-4
"""Of each number of a vector. Rounding makes about 1e-6; any two of the texts differ by far more."""


class Embedder(Protocol):
    """A model, asked directly."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32."""
        ...


def judge(
    messages: Sequence[Sent],
    sent: int,
    vectors: Mapping[str, Sequence[float]],
    dead_letters: Iterable[DeadLetter],
    model: Embedder,
) -> Verdict:
    """Compare what was sent with what there is.

    Args:
        messages: the distinct ones.
        sent: how many were sent in all.
        vectors: the index, id → values.
        dead_letters: of the dead-letter queue.
        model: embeds the texts again, apart from everything that ran.
    """
    import numpy as np  # only where there is something to compare

    reasons = {letter.body: letter.reason for letter in dead_letters}
    good = [message for message in messages if message.text is not None]
    there = [message for message in good if message.id in vectors]
    wrong: list[str] = []
    largest = 0.0
    if there:
        expected = model.embed([message.text or "" for message in there])
        differences = np.abs(expected - np.array([vectors[message.id] for message in there], np.float32)).max(axis=1)
        largest = float(differences.max())
        wrong = [message.id for message, far in zip(there, differences, strict=True) if not far <= TOLERANCE]
    return Verdict.of(
        sent=sent,
        inputs={message.id: message.text is not None for message in messages},
        done={message.id for message in there},
        dead={message.id: reasons[message.body] for message in messages if message.body in reasons},
        doubled=vectors.keys() - {message.id for message in good},
        wrong=wrong,
        facts={"Largest difference to a direct embedding": f"{largest:.1e}"},
    )
