"""A plan of faults: which one at which request of which server, all of it from a seed.

A fault is placed by the count of requests, not by the clock, so that the same plan does the same on a slow machine.
Owns data only; `gate` carries it out.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Literal

from sandbox.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

Server = Literal["openai", "index"]
EMBEDDINGS: Final = "/v1/embeddings"
UPSERT: Final = "/vectors/upsert"
PATHS: Final[Mapping[Server, str]] = {"openai": EMBEDDINGS, "index": UPSERT}
"""The requests that are counted, and suffer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault."""

    server: Server
    name: str
    meaning: str
    per_hundred: float
    """How many in a hundred batches; at least one in every plan."""
    fault: Fault | None = None
    """What the server does; None is an action of the gate's own, known by its name."""


_HTML = "<html><body>502 Bad Gateway</body></html>"
KINDS: Final = (
    Kind("openai", "kill", "process killed while it waits for the embeddings", 3),
    Kind("openai", "rotate", "a new key in Secrets Manager; the old one is refused from now on", 1),
    Kind("openai", "429", "429 with Retry-After", 4, Fault(429, headers={"retry-after": "1"})),
    Kind("openai", "500", "500", 4, Fault(500)),
    Kind("openai", "timeout", "no answer for longer than the client waits", 2, Fault(delay_seconds=8)),
    Kind("openai", "malformed", "200 with broken JSON", 3, Fault(body='{"object": "list", "data": [')),
    Kind("openai", "drop", "connection closed before the work", 2, Fault(drop="before")),
    Kind("openai", "cut", "connection closed in the middle of the answer", 2, Fault(drop="body")),
    Kind("index", "kill-before", "process killed between embed and upsert: the index has not seen it", 8),
    Kind("index", "kill-after", "process killed between upsert and reply: the index has stored it", 8),
    Kind("index", "lose-answer", "process killed after its work, before its answer reaches the queue", 6),
    Kind("index", "restart-before", "index server killed with the upsert in hand, started again", 1),
    Kind("index", "restart-after", "index server killed when it has stored, before it answers; started again", 1),
    Kind("index", "rotate", "a new key in Secrets Manager; the old one is refused from now on", 1),
    Kind("index", "429", "429 with Retry-After", 2, Fault(429, headers={"retry-after": "1"})),
    Kind("index", "503", "503", 3, Fault(503)),
    Kind("index", "malformed", "200 with a page of HTML", 2, Fault(body=_HTML)),
    Kind("index", "drop", "connection closed before the work", 2, Fault(drop="before")),
    Kind("index", "drop-after", "stored, then the connection closed without an answer", 3, Fault(drop="after")),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of the plan."""

    server: Server
    request: int
    """The how-manieth embeddings request or upsert, from 1."""
    kind: str

    def what(self) -> Kind:
        """Its kind."""
        return next(kind for kind in KINDS if (kind.server, kind.name) == (self.server, self.kind))


@dataclass(frozen=True, slots=True)
class Plan:
    """All faults of a run, in the order of requests for each server."""

    seed: int
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name this plan."""
        text = json.dumps([asdict(step) for step in self.steps])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def of(self, server: Server) -> dict[int, Step]:
        """One server's faults by the number of the request."""
        return {step.request: step for step in self.steps if step.server == server}

    def count(self, kind: Kind) -> int:
        """How many of a kind."""
        return sum(1 for step in self.steps if step.what() is kind)


def make_plan(seed: int, batches: int) -> Plan:
    """The plan of a seed.

    Args:
        seed: any number.
        batches: the fewest invocations that the work takes; all faults lie within the first nine tenths of them, so
            that each of them surely happens.

    Raises:
        ValueError: too few batches for one fault of each kind.
    """
    chance = random.Random(f"plan {seed}")  # noqa: S311 - to be repeatable, not secret
    steps: list[Step] = []
    for server in PATHS:
        kinds = [kind for kind in KINDS if kind.server == server]
        names = [kind.name for kind in kinds for _ in range(max(1, round(kind.per_hundred * batches / 100)))]
        places = range(2, max(2, batches * 9 // 10) + 1)
        if len(names) > len(places):
            raise ValueError(
                f"{batches} batches have no room for {len(names)} faults: send more messages, or fewer in a batch"
            )
        chance.shuffle(names)
        requests = sorted(chance.sample(places, len(names)))
        steps += [Step(server, request, name) for request, name in zip(requests, names, strict=True)]
    return Plan(seed, tuple(steps))
