"""Files uploaded all at once, some twice and some broken: every row, every refusal, and what bounds the rest.

    python -m benchmarks.embedding_burst [--files 1000] [--json] [--page]

The deployed embedding_processor in the sandbox: S3, SNS, the function's processes with the real model, Supabase's REST
protocol over a real PostgreSQL with pgvector, all on this machine. What each of them takes of the processors is read
from /proc.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import page
from benchmarks.processors import descendants
from sandbox.cloud import LocalCloud, wait_until
from sandbox.demos.embedding_processor.demo import BUCKET, FUNCTION, SERVICE
from sandbox.systems import section

if TYPE_CHECKING:
    from collections.abc import Sequence

CONCURRENCY: Final = 4
UPLOADERS: Final = 8
PATIENCE_SECONDS: Final = 1_800.0
BROKEN: Final = {
    "binary": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
    "empty": b" \n\t\n",
    "too_large": b"Too long a text. " * 4_000,
}
MAX_FILE_BYTES: Final = 60_000
BROKEN_EVERY, TWICE_EVERY = 20, 10
SUBJECTS: Final = ("lighthouse", "night train", "sourdough", "olive grove", "ferry", "library", "bee hive", "queue")


@dataclass(frozen=True, slots=True)
class File:
    """One object."""

    key: str
    data: bytes
    refused: str | None = None
    """Why it has to be."""
    twice: bool = False


@dataclass(slots=True, kw_only=True)
class Found:
    """What became of all of them."""

    files: int
    uploads: int
    good: int
    broken: int
    wrong: list[str]
    """Keys whose rows are not exactly their chunks, or whose refusal is not the one that it should be."""
    rows: int
    refusals: dict[str, int]
    """Reason → events in the dead-letter queue."""
    seconds: float
    """From the first upload to the last row."""
    upload_seconds: float
    invocations: int
    processor_seconds: dict[str, float]
    load_average: float

    @property
    def right(self) -> bool:
        """Whether every file came to what it should."""
        return not self.wrong and sum(self.refusals.values()) >= self.broken


def files(count: int) -> list[File]:
    """So many files, the same each time: notes of one to a few chunks, and some that are broken."""
    chance = random.Random("burst")  # noqa: S311  the same each time, and no secret
    found: list[File] = []
    for number in range(count):
        if number % BROKEN_EVERY == BROKEN_EVERY - 1:
            reason = list(BROKEN)[number // BROKEN_EVERY % len(BROKEN)]
            found.append(
                File(f"burst/broken-{number:05}.txt", BROKEN[reason] + b"%d" % number * (reason != "empty"), reason)
            )
            continue
        lines = [
            f"Note {number}, line {line}: the {chance.choice(SUBJECTS)} of {chance.randint(1700, 2026)} was seen by "
            f"{chance.randint(2, 90)} people."
            for line in range(chance.randint(2, 40))
        ]
        found.append(File(f"burst/note-{number:05}.txt", "\n".join(lines).encode(), twice=number % TWICE_EVERY == 0))
    return found


def measure(count: int) -> Found:
    """Upload so many files, wait until nothing is left, and look at every one."""
    given = files(count)
    config = {section(FUNCTION): {"reserved_concurrency": CONCURRENCY, "max_file_bytes": MAX_FILE_BYTES}}
    with LocalCloud("benchmark-burst", systems=[FUNCTION], config=config) as cloud:
        before = processors(cloud)
        began = time.monotonic()
        uploads = upload(cloud, given)
        uploaded = time.monotonic() - began
        good = {file.key for file in given if file.refused is None}
        broken = len(given) - len(good)
        wait_until(lambda: len(rows(cloud)) >= len(good), "a row of every file", PATIENCE_SECONDS, 0.5)
        seconds = time.monotonic() - began
        wait_until(lambda: refused_events(cloud) >= broken, "every refusal", PATIENCE_SECONDS, 0.5)
        wait_until(lambda: idle(cloud), "every event to end", PATIENCE_SECONDS, 0.5)
        after = processors(cloud)
        stored, refusals = rows(cloud), refusals_by_key(cloud)
        invocations = sum('"platform.report"' in line for line in cloud.logs(FUNCTION))
        return Found(
            files=len(given),
            uploads=uploads,
            good=len(good),
            broken=broken,
            wrong=[file.key for file in given if not is_right(file, stored.get(file.key), refusals.get(file.key, []))],
            rows=sum(len(chunks) for chunks in stored.values()),
            refusals=dict(Counter(reason for reasons in refusals.values() for reason in reasons)),
            seconds=round(seconds, 1),
            upload_seconds=round(uploaded, 1),
            invocations=invocations,
            processor_seconds={name: round(after[name] - before[name], 1) for name in after},
            load_average=round(os.getloadavg()[0], 1),
        )


def upload(cloud: LocalCloud, given: Sequence[File]) -> int:
    """Put them all, several at a time, those that are to come twice twice; returns how many were put."""
    bucket = cloud.outputs["buckets"][BUCKET]
    work = iter([file for file in given for _ in range(1 + file.twice)])
    lock, put = threading.Lock(), Counter[str]()

    def run() -> None:
        client = cloud.client("s3")
        while True:
            with lock:
                file = next(work, None)
            if file is None:
                return
            client.put_object(Bucket=bucket, Key=file.key, Body=file.data)
            put[file.key] += 1

    threads = [threading.Thread(target=run) for _ in range(UPLOADERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(put.values())


def rows(cloud: LocalCloud) -> dict[str, list[tuple[int, int]]]:
    """Key → (chunk, chunks) of each of its rows."""
    import psycopg  # of the sandbox

    query = "select metadata->>'key', (metadata->>'chunk')::int, (metadata->>'chunks')::int from content_embeddings"
    found: dict[str, list[tuple[int, int]]] = {}
    with psycopg.connect(cloud.state(SERVICE).url()) as connection:
        for key, chunk, chunks in connection.execute(query).fetchall():
            found.setdefault(key, []).append((chunk, chunks))
    return found


def is_right(file: File, stored: list[tuple[int, int]] | None, refusals: Sequence[str]) -> bool:
    """Whether a file has exactly its rows and no refusal, or its refusal and no row."""
    if file.refused is not None:
        return stored is None and set(refusals) == {file.refused}
    chunks = stored or []
    whole = [(chunk, chunks[0][1]) for chunk in range(chunks[0][1])] if chunks else None
    return sorted(chunks) == whole and not refusals


def refused_events(cloud: LocalCloud) -> int:
    """How many events are in the dead-letter queue."""
    return cloud.messages_left(cloud.function(FUNCTION)["async_dlq_url"])


def refusals_by_key(cloud: LocalCloud) -> dict[str, list[str]]:
    """Key → why its events are in the dead-letter queue, which is empty then."""
    sqs, url = cloud.client("sqs"), cloud.function(FUNCTION)["async_dlq_url"]
    found: dict[str, list[str]] = {}
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            body = json.loads(message["Body"])
            event = json.loads(body["requestPayload"]["Records"][0]["Sns"]["Message"])
            for record in event["Records"]:
                found.setdefault(record["s3"]["object"]["key"], []).append(body["responsePayload"]["errorType"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def idle(cloud: LocalCloud) -> bool:
    """Whether no process of the function works."""
    return all(environment["state"] == "idle" for environment in cloud.host.environments())


def processors(cloud: LocalCloud) -> dict[str, float]:
    """Seconds of processor that each part has used."""
    functions = {int(environment["pid"]) for environment in cloud.host.environments()}
    used: dict[str, float] = dict.fromkeys(
        ("the function", "the database", "the local AWS", "Supabase's API and this command"), 0.0
    )
    for pid, command, seconds in descendants(os.getpid()):
        if pid in functions:
            used["the function"] += seconds
        elif "postgres" in command.partition(" ")[0] or "supabase.guard" in command:
            used["the database"] += seconds
        elif pid == os.getpid():
            used["Supabase's API and this command"] += seconds
        else:
            used["the local AWS"] += seconds
    return used


def markdown(found: Found) -> str:
    """The page's section."""
    cores = os.cpu_count() or 1
    total = sum(found.processor_seconds.values())
    rate = found.good / found.seconds
    shares = [
        [name, f"{seconds:.0f} s", f"{1_000 * seconds / found.good:.0f} ms", f"{100 * seconds / total:.0f} %"]
        for name, seconds in sorted(found.processor_seconds.items(), key=lambda item: -item[1])
    ]
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(found.refusals.items()))
    verdict = "Every one" if found.right else f"**{len(found.wrong)} are wrong**; every other one"
    return (
        "## embedding_processor: a burst\n"
        f"{found.files:,} files in {found.uploads:,} uploads within {found.upload_seconds:.0f} s, some twice, "
        f"{found.broken} broken; at most {CONCURRENCY} processes of the function, on the machine that also runs the "
        f"local AWS and the database. {verdict} came to what it should: {found.good:,} good files have exactly their "
        f"{found.rows:,} rows, and the broken ones no row and an event in the dead-letter queue ({refused}). The last "
        f"row was there after {found.seconds:.0f} s: **{rate:.1f} documents and {found.rows / found.seconds:.1f} "
        f"chunks a second**, {found.invocations:,} invocations. Load average of the machine "
        f"{found.load_average:.1f}.\n\n"
        f"What bounds it is the processor: a document takes {1_000 * total / found.good:.0f} ms of one, all parts "
        f"together, and other work had the rest of the {cores} cores:\n\n"
        f"{page.table(['', 'processor', 'a document', 'share'], shares)}\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="A burst of files through the embedding_processor.")
    parser.add_argument("--files", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.files)
    print(json.dumps(asdict(found) | {"right": found.right}, indent=2) if given.json else markdown(found))
    if given.page:
        names = ("onnxruntime", "supabase", "ministack")
        versions = {name: importlib.metadata.version(name) for name in names}
        page.section("embedding_burst", "python -m benchmarks.embedding_burst --page", markdown(found), versions)
    return 0 if found.right else 1


if __name__ == "__main__":
    sys.exit(main())
