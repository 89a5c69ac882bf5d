"""The embedding_processor under faults: every text's newest version has exactly its row, what is no text is refused.

Supabase fails in every way that a client sees, the function is killed between any two of its answers and at work, and
events come twice.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from lambdas.embedding_processor import contract
from sandbox.chaos import LAMBDA, Chaos, Options
from sandbox.chaos.plan import Kind
from sandbox.chaos.verdict import Verdict
from sandbox.chaos.wrapped import of_events
from sandbox.demos.embedding_processor.demo import BUCKET, FUNCTION, SERVICE, client
from sandbox.standins.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.chaos.ending import DeadLetter, Ending
    from sandbox.cloud import LocalCloud

PREFIX: Final = "chaos/"
BAD_EVERY: Final = 10
KINDS: Final = (
    Kind(SERVICE, "kill-before", "process killed with a call of the database in hand", 6),
    Kind(SERVICE, "kill-after", "process killed after the database has stored, before it knows", 8),
    Kind(SERVICE, "lose-answer", "process killed after its work, before it is known to be done", 4),
    Kind(SERVICE, "rotate", "a new key in Parameter Store; the old one is refused from now on", 3),
    Kind(SERVICE, "down", "Supabase down for a while", 3),
    Kind(SERVICE, "503", "503", 4, Fault(503)),
    Kind(SERVICE, "429", "429 with Retry-After", 3, Fault(429, headers={"retry-after": "1"})),
    Kind(SERVICE, "malformed", "200 with a page of HTML", 3, Fault(body="<html><body>Bad Gateway</body></html>")),
    Kind(SERVICE, "drop", "connection closed before the work", 3, Fault(drop="before")),
    Kind(SERVICE, "drop-after", "stored, then the connection closed without an answer", 4, Fault(drop="after")),
    Kind(LAMBDA, "kill-start", "process killed with the event in hand", 6),
    Kind(LAMBDA, "kill-work", "process killed at work", 6),
    Kind(LAMBDA, "twice", "the event delivered twice, at the same time", 10),
)


class _Work:
    """One seed's texts, each short enough for one row; some are no texts, some change while they are worked on."""

    def __init__(self, options: Options) -> None:
        chance = random.Random(f"texts {options.seed}")  # noqa: S311 - to be repeatable, not secret
        self._bad = {_key(number) for number in range(BAD_EVERY - 1, options.messages, BAD_EVERY)}
        self._texts = {
            _key(number): f"Ship {number} carries {chance.randrange(900)} crates of tea."
            for number in range(options.messages)
        }
        again = chance.sample(sorted(self._texts.keys() - self._bad), min(options.duplicates, len(self._texts)))
        self._again = {key: f"{self._texts[key]} It is late." for key in again}
        self.sent = len(self._texts) + len(self._again)
        # Each text is looked up, and replaces what there was.
        self.requests = {SERVICE: 2 * (len(self._texts) - len(self._bad)), LAMBDA: self.sent}

    def send(self, cloud: LocalCloud) -> None:
        """Every text, some of them once more with another content."""
        bucket = cloud.outputs["buckets"][BUCKET]
        for key, text in [*self._texts.items(), *self._again.items()]:
            body = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) if key in self._bad else text.encode()
            cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=body)

    def judge(self, ending: Ending) -> Verdict:
        """Compare the table with the texts, and the dead-letter queue with what is no text."""
        rows: defaultdict[str, list[str]] = defaultdict(list)
        for row in client(ending.cloud).table(contract.TABLE).select("content,key:metadata->>key").execute().data:
            if str(row["key"]).startswith(PREFIX):
                rows[str(row["key"])].append(str(row["content"]))
        current = {**self._texts, **self._again}
        dead = {key: letter.reason for letter in ending.dead[FUNCTION] for key in _keys(letter)}
        older = {key for key in self._again if rows.get(key) == [self._texts[key]]}  # the newer one is lost
        right = {key for key, contents in rows.items() if key not in self._bad and contents == [current.get(key)]}
        return Verdict.of(
            sent=self.sent,
            inputs={key: key not in self._bad for key in self._texts},
            done=right,
            dead=dead,
            doubled=[key for key, contents in rows.items() if len(contents) > 1],
            wrong=rows.keys() - right - older - dead.keys(),
            facts={"Rows in the table": f"{sum(map(len, rows.values())):,}"},
        )


def _key(number: int) -> str:
    return f"{PREFIX}text-{number:03}.txt"


def _keys(letter: DeadLetter) -> Iterator[str]:
    """The keys of an event, whether the bucket's own or as the topic hands it on."""
    records: Iterable[dict[str, Any]] = json.loads(letter.body)["requestPayload"]["Records"]
    for record in records:
        inner = json.loads(record["Sns"]["Message"])["Records"] if "Sns" in record else [record]
        yield from (unquote_plus(each["s3"]["object"]["key"]) for each in inner)


CHAOS: Final = Chaos(
    messages=40,
    kinds=KINDS,
    counted={SERVICE: "POST /rest/v1/rpc/.+"},
    make=_Work,
    controls=of_events(FUNCTION),
)
