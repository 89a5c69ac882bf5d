"""Extracting text under faults: every document's newest version has its result, and the index its chunks and no other.

What cannot be read is recorded as such, and its event is in the dead-letter queue. The function calls nothing but AWS,
so what happens to it happens to its invocations.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

from lambdas.extract_text.source import document_id
from sandbox.chaos import LAMBDA, Chaos, Options
from sandbox.chaos.plan import Kind
from sandbox.chaos.verdict import Verdict
from sandbox.chaos.wrapped import of_events
from sandbox.demos.embedding.chaos import stored
from sandbox.demos.extract_text.documents import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.chaos.ending import DeadLetter, Ending
    from sandbox.cloud import LocalCloud

FUNCTION: Final = "extract_text"
PREFIX: Final = "extracted/"
KINDS: Final = (
    Kind(LAMBDA, "kill-start", "process killed with the event in hand", 10),
    Kind(LAMBDA, "kill-work", "process killed at work", 10),
    Kind(LAMBDA, "kill-answer", "process killed after its work, before it is known to be done", 10),
    Kind(LAMBDA, "twice", "the event delivered twice, at the same time", 15),
)
BROKEN_EVERY: Final = 8
PDF_EVERY: Final = 3
SUBJECTS: Final = ("kettle", "ferry", "hive", "timetable", "lantern", "orchard", "bridge")


class _Work:
    """One seed's documents: PDFs, notes, and some that cannot be read. Those that are sent twice change in between."""

    def __init__(self, options: Options) -> None:
        chance = random.Random(f"documents {options.seed}")  # noqa: S311 - to be repeatable, not secret
        pdfs = [
            data for key, data in sorted(documents().items()) if key.startswith(("handbook", "timetables", "japan"))
        ]
        self._first: dict[str, bytes] = {}
        self._bad: set[str] = set()
        for number in range(options.messages):
            if number % BROKEN_EVERY == BROKEN_EVERY - 1:
                key, data = f"chaos/broken-{number}.pdf", pdfs[0][: 200 + number]
                self._bad.add(key)
            elif number % PDF_EVERY == 0:
                key, data = f"chaos/document-{number}.pdf", pdfs[number // PDF_EVERY % len(pdfs)]
            else:
                key, data = f"chaos/note-{number}.md", _note(chance, number)
            self._first[key] = data
        again = [key for key in self._first if key.endswith(".md")]
        chosen = chance.sample(again, min(options.duplicates, len(again)))
        self._again = {key: _note(chance, len(self._first) + place) for place, key in enumerate(chosen)}
        self.sent = len(self._first) + len(self._again)
        self.requests = {LAMBDA: self.sent}

    def send(self, cloud: LocalCloud) -> None:
        """Every document, some of them once more with another text."""
        bucket = cloud.outputs["buckets"]["documents"]
        for key, data in [*self._first.items(), *self._again.items()]:
            cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def judge(self, ending: Ending) -> Verdict:
        """Compare buckets, index and dead-letter queues."""
        buckets = ending.cloud.outputs["buckets"]
        etags = {key: _etag(ending.cloud, buckets["documents"], key) for key in self._first}
        results = {key: found for key in self._first if (found := _result(ending.cloud, buckets["results"], key))}
        current = {key: found for key, found in results.items() if found["source"]["etag"] == etags[key]}
        dead, given_up = _events(ending.dead[FUNCTION]), _given_up(ending.dead["embedding"])
        index = stored(ending)
        done, doubled, wrong = set[str](), list[str](), list[str]()
        for key, result in current.items():
            own = document_id(buckets["documents"], key)
            there = [name for name in index if name.startswith(f"{own}-")]
            cut = result["totals"]["chunks"]
            missing = cut - len(there) - sum(name.startswith(f"{own}-") for name in given_up.keys() - index.keys())
            doubled += [key] if len(there) > cut else []
            if bool(result.get("error")) != (key in self._bad):
                wrong.append(key)
            elif missing == 0 and (key not in self._bad or key in dead):
                # What cannot be read has two effects: the result that says so, and its event in the dead-letter queue.
                done.add(key)
        chunks = sum("bucket" in found.get("metadata", {}) for found in index.values())
        return Verdict.of(
            sent=self.sent,
            inputs={key: key not in self._bad for key in self._first},
            done=done,
            dead={key: reason for key, reason in dead.items() if key in self._first},
            doubled=doubled,
            wrong=wrong,
            facts={"Chunks in the index": f"{chunks:,}"},
        )


def _note(chance: random.Random, number: int) -> bytes:
    lines = (f"The {subject} of day {number} weighed {chance.randrange(1_000)} pounds." for subject in SUBJECTS)
    return f"# Note {number}\n\n{' '.join(lines)}\n".encode()


def _etag(cloud: LocalCloud, bucket: str, key: str) -> str:
    return str(cloud.client("s3").head_object(Bucket=bucket, Key=key)["ETag"]).strip('"')


def _result(cloud: LocalCloud, bucket: str, key: str) -> dict[str, Any] | None:
    client = cloud.client("s3")
    try:
        body = client.get_object(Bucket=bucket, Key=f"{PREFIX}{key}.json")["Body"].read()
    except client.exceptions.NoSuchKey:
        return None
    return json.loads(body)


def _events(dead: Iterable[DeadLetter]) -> dict[str, str]:
    """Key → why its event is in the dead-letter queue."""
    return {
        str(record["s3"]["object"]["key"]): letter.reason
        for letter in dead
        for record in json.loads(letter.body)["requestPayload"]["Records"]
    }


def _given_up(dead: Iterable[DeadLetter]) -> Mapping[str, str]:
    """Chunk's id → why the embedding system could not store it."""
    found: dict[str, str] = {}
    for letter in dead:
        try:
            found[str(json.loads(letter.body)["id"])] = letter.reason
        except (ValueError, TypeError, KeyError):
            continue  # a text of somebody else's
    return found


CHAOS: Final = Chaos(
    messages=24,
    kinds=KINDS,
    make=_Work,
    controls=of_events(FUNCTION),
)
