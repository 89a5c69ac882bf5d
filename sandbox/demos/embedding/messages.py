"""What a chaos run sends: distinct messages in every form that the function takes, some that it can never take.

Everything follows from the seed, ids and order included.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BAD_SHARE = 0.01
"""Of the distinct messages: those that must end in the dead-letter queue, so an empty one proves nothing."""

_WHO = (
    *("The ferryman", "A night nurse", "My neighbour", "The youngest clerk", "An old beekeeper", "The cartographer"),
    *("A retired pilot", "The stationmaster", "Her cousin", "The glassblower", "A stray cat", "The choir"),
)
_DOES = (
    *("repairs", "photographs", "forgets", "paints", "sells", "counts", "hides", "borrows", "admires", "weighs"),
    *("measures", "describes"),
)
_WHAT = (
    *("two brass lanterns", "a letter from Lisbon", "the cracked bell", "seven umbrellas", "a map of the marshes"),
    *("the piano stool", "a crate of oranges", "the spare key", "an unfinished novel", "the weather diary"),
)
_WHERE = (
    *("before breakfast", "behind the town hall", "on the last tram", "during the storm", "at the fish market"),
    *("under the viaduct", "in the reading room", "beside the canal", "after the concert", "on market day"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One distinct message."""

    id: str
    """Of its vector; a message that can never be processed has its own name here."""
    body: str
    text: str | None
    """None: it can never be processed."""


def make_messages(seed: int, count: int) -> list[Sent]:
    """Distinct messages: JSON with an id, JSON without, plain text, and about 1 % (at least one) that are wrong.

    Raises:
        ValueError: more than there are different sentences.
    """
    chance = random.Random(f"messages {seed}")  # noqa: S311 - to be repeatable, not secret
    bad = max(1, round(count * BAD_SHARE))
    combinations = list(itertools.product(_WHO, _DOES, _WHAT, _WHERE))
    if not 1 < count <= len(combinations):
        raise ValueError(f"{count} messages: it must be from 2 to {len(combinations)}")
    made = [_sent(number, " ".join(words) + ".") for number, words in enumerate(chance.sample(combinations, count))]
    for number in chance.sample(range(count), bad):
        made[number] = _BAD[number % len(_BAD)](number)
    return made


def with_duplicates(seed: int, messages: list[Sent], duplicates: int) -> list[str]:
    """The bodies in the order of sending: every message once, some twice, shuffled."""
    chance = random.Random(f"order {seed}")  # noqa: S311 - as above
    good = [message for message in messages if message.text is not None]
    repeats = math.ceil(duplicates / len(good))
    chosen = chance.sample(good * repeats, duplicates)
    bodies = [message.body for message in [*messages, *chosen]]
    chance.shuffle(bodies)
    return bodies


def _sent(number: int, text: str) -> Sent:
    """Seven in ten are JSON with an id; the others are known by the SHA-256 of their text."""
    form = number % 10
    if form < 7:  # noqa: PLR2004 - see above
        name = f"message-{number:05}"
        return Sent(name, json.dumps({"id": name, "text": text, "metadata": {"number": number}}), text)
    name = hashlib.sha256(text.encode()).hexdigest()
    return Sent(name, json.dumps({"text": text}) if form < 9 else text, text)  # noqa: PLR2004 - see above


_BAD: tuple[Callable[[int], Sent], ...] = (
    lambda number: Sent(f"bad-{number}", json.dumps({"id": f"bad-{number}", "text": number}), None),
    lambda number: Sent(f"bad-{number}", f'{{"id": "bad-{number}", "text": ', None),
    lambda number: Sent(f"bad-{number}", json.dumps({"id": f"bad-{number}", "text": "  "}), None),
)
