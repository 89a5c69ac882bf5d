"""Throughput, latency and memory of the embedding system: with batching, and with one call for each message.

    python -m benchmarks.load [--rounds 3] [--messages 10000] [--json] [--page]

Both forms run on the same sandbox host, from the same queue in the same batches of 10, against an embeddings API that
takes 100 ms for each call. The texts' vectors are computed before the clock starts and come from the stand-in's cache:
on a small machine the model would otherwise be what is measured. All the rest is the real path: SQS, the Lambda host,
the real clients over HTTP, the index.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import page
from sandbox.chaos.wrapped import ALIAS, go_live, put_in_front
from sandbox.cloud import LocalCloud, wait_until
from sandbox.demos.embedding.messages import make_messages
from sandbox.standins.pinecone.store import VectorStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sandbox.standins.pinecone.store import Record

API_SECONDS = 0.1
CONCURRENCY = 2
"""The least that AWS allows a mapping; and the cores of a small machine."""
BATCH = 10
TEXTS = 500
TARGET_RATIO = 5.0
FUNCTION = "embedding"
TIMEOUTS = {"timeout_seconds": 30, "openai_timeout_seconds": 2.5, "openai_max_retries": 3}
PACED_PER_SECOND = 8
PACED_MESSAGES = 80
SLOPE_TARGET_KB = 100.0
"""Growth for 1,000 messages below which memory does not grow: 1 MB in 10,000, an allocator's noise."""
ONE_BY_ONE = Path(__file__).with_name("one_by_one.py")


class TimedStore(VectorStore):
    """Notes when each vector arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: dict[str, float] = {}

    def upsert(self, name: str, records: Iterable[Record]) -> None:
        """Store, then note."""
        given = list(records)
        super().upsert(name, given)
        now = time.monotonic()
        for record in given:
            self.arrived.setdefault(record.id, now)


@dataclass(frozen=True, slots=True)
class Round:
    """One form's share of one round."""

    messages_per_second: float
    """A backlog, from the first message sent to the last vector stored."""
    invocation_ms: float
    """Median, of a full batch."""
    paced_ms: list[float]
    """From sending to stored, one message after the other at a steady pace."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A function process over many messages."""

    messages: int
    first_mb: float
    """Resident, after the first tenth."""
    last_mb: float
    slope_kb: float
    """For 1,000 messages, by least squares over what follows the first tenth."""


class Bench:
    """A running cloud, and what is sent to it."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.texts = [one.text for one in make_messages(1, TEXTS + 10) if one.text is not None][:TEXTS]
        self.store = TimedStore()
        cloud.state("pinecone").store = self.store
        cloud.state("openai").embed(self.texts, 384)
        self._number = 0
        live = cloud.client("lambda").get_alias(FunctionName=cloud.function(FUNCTION)["name"], Name=ALIAS)
        self.as_shipped = str(live["FunctionVersion"])
        self.one_by_one = put_in_front(cloud, FUNCTION, ONE_BY_ONE)

    def new(self, count: int) -> list[dict[str, Any]]:
        """Messages that were never sent before."""
        first, self._number = self._number, self._number + count
        return [{"id": f"load-{n:06}", "text": self.texts[n % TEXTS]} for n in range(first, first + count)]

    def finish(self, messages: Sequence[dict[str, Any]]) -> float:
        """Wait until all are stored; when the last was."""
        wanted = [message["id"] for message in messages]
        wait_until(lambda: all(name in self.store.arrived for name in wanted), "the last vector", 300, 0.01)
        return max(self.store.arrived[name] for name in wanted)

    def round(self, version: str, backlog: int) -> Round:
        """Measure one form: warm up, work off a backlog, then answer a steady pace."""
        go_live(self.cloud, FUNCTION, version)
        warm = self.new(8 * BATCH)
        self.cloud.send(*warm, function=FUNCTION)
        self.finish(warm)
        settled = len(self._durations(version))
        messages = self.new(backlog)
        begun = time.monotonic()
        self.cloud.send(*messages, function=FUNCTION)
        rate = backlog / (self.finish(messages) - begun)
        durations = self._durations(version)[settled:]
        paced = self.new(PACED_MESSAGES)
        sent: dict[str, float] = {}
        start = time.monotonic()
        for number, message in enumerate(paced):
            time.sleep(max(0.0, start + number / PACED_PER_SECOND - time.monotonic()))
            sent[message["id"]] = time.monotonic()
            self.cloud.send(message, function=FUNCTION)
        self.finish(paced)
        waits = [(self.store.arrived[name] - at) * 1000 for name, at in sent.items()]
        return Round(rate, statistics.median(durations), waits)

    def memory(self, messages: int) -> Memory:
        """Give one process all of them, in batches, one invocation after the other."""
        name, client = self.cloud.function(FUNCTION)["name"], self.cloud.client("lambda")
        self.cloud.state("openai").latency_seconds = 0.0
        self.cloud.host.kill(function=name)
        go_live(self.cloud, FUNCTION, self.as_shipped)
        seen: list[tuple[int, float]] = []
        pids: set[int] = set()
        for done in range(0, messages, BATCH):
            answer = client.invoke(FunctionName=name, Qualifier="live", Payload=json.dumps(self._event()))
            if json.load(answer["Payload"]) != {"batchItemFailures": []}:
                raise SystemExit("the function failed messages while its memory was measured")
            if not pids or done % (10 * BATCH) == 0:
                pid = next(one["pid"] for one in self.cloud.host.environments() if one["state"] == "idle")
                pids.add(pid)
                seen.append((done + BATCH, resident_kb(pid)))
        if len(pids) != 1:
            raise SystemExit(f"{len(pids)} processes took part instead of one: its memory cannot be told")
        kept = [one for one in seen if one[0] > messages / 10]
        slope = statistics.linear_regression([one[0] / 1000 for one in kept], [one[1] for one in kept]).slope
        return Memory(messages, kept[0][1] / 1024, kept[-1][1] / 1024, slope)

    def _event(self) -> dict[str, Any]:
        arn = self.cloud.function(FUNCTION)["queue_arn"]
        return {
            "Records": [
                {
                    "messageId": message["id"],
                    "receiptHandle": "none",
                    "body": json.dumps(message),
                    "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                    "eventSourceARN": arn,
                    "awsRegion": self.cloud.account.region,
                }
                for message in self.new(BATCH)
            ]
        }

    def _durations(self, version: str) -> list[float]:
        """Milliseconds of each invocation of a version so far, in the order of its log."""
        found: list[float] = []
        current = ""
        for line in self.cloud.logs(FUNCTION):
            if '"platform.start"' in line:
                current = json.loads(line)["record"]["version"]
            elif '"platform.report"' in line and current == version:
                found.append(json.loads(line)["record"]["metrics"]["durationMs"])
        return found


def resident_kb(pid: int) -> float:
    """A process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    raise SystemExit(f"process {pid} is gone")


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def measure(rounds: int, memory_messages: int, console: Console) -> dict[str, Any]:
    """Run everything; the figures."""
    config = {"strata:embedding": {"queue": {"maximum_concurrency": CONCURRENCY, "batch_size": BATCH}, **TIMEOUTS}}
    latency = {"openai": {"latency_seconds": API_SECONDS}}
    before = page.load_average()
    with LocalCloud("load", systems=[FUNCTION], config=config, options=latency) as cloud:
        bench = Bench(cloud)
        results: dict[str, list[Round]] = {"batched": [], "one by one": []}
        for number in range(rounds):
            for form, version, backlog in (
                ("batched", bench.as_shipped, 1_000),
                ("one by one", bench.one_by_one, 200),
            ):
                one = bench.round(version, backlog)
                results[form].append(one)
                rate = f"{one.messages_per_second:.1f} messages/s"
                console.print(f"round {number + 1}, {form}: {rate}, {one.invocation_ms:.0f} ms an invocation")
        memory = bench.memory(memory_messages)
        console.print(f"memory: {memory.first_mb:.1f} → {memory.last_mb:.1f} MB, {memory.slope_kb:+.1f} KB per 1,000")
    forms: dict[str, dict[str, Any]] = {
        form: {
            "messages_per_second": statistics.median(one.messages_per_second for one in found),
            "invocation_ms": statistics.median(one.invocation_ms for one in found),
            "paced_ms": percentiles([wait for one in found for wait in one.paced_ms]),
        }
        for form, found in results.items()
    }
    ratio = forms["batched"]["messages_per_second"] / forms["one by one"]["messages_per_second"]
    return {
        "forms": forms,
        "ratio": ratio,
        "memory": asdict(memory),
        "rounds": rounds,
        "load_average": {"before": before, "after": page.load_average()},
        "ok": ratio >= TARGET_RATIO and memory.slope_kb < SLOPE_TARGET_KB,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    rows = [
        [
            form,
            f"{one['messages_per_second']:.1f}",
            f"{one['invocation_ms']:.0f}",
            *(f"{one['paced_ms'][name]:.0f}" for name in ("p50", "p95", "p99")),
        ]
        for form, one in found["forms"].items()
    ]
    memory, load = found["memory"], found["load_average"]
    columns = ["", "messages/s", "ms an invocation", "p50 ms", "p95 ms", "p99 ms"]
    return (
        "## Load\n"
        f"An embeddings API that takes {API_SECONDS * 1000:.0f} ms a call; batches of {BATCH}, {CONCURRENCY} at once, "
        "on one sandbox host. *Batched* is the function as it is: one embeddings call and one upsert for a batch. *One "
        "by one* is the same function given the messages of the same batch singly. Vectors come from the stand-in's "
        "cache, so that its model is not what is measured. Throughput is that of a backlog (1,000 and 200 messages), "
        f"latency from sending to stored at {PACED_PER_SECOND} messages a second; medians of {found['rounds']} rounds "
        f"in turns, percentiles over all of them. Load average of the machine {load['before']:.1f} before, "
        f"{load['after']:.1f} after.\n\n"
        f"{page.table(columns, rows)}\n\n"
        f"Batching gives **{found['ratio']:.1f} times** the throughput (wanted: {TARGET_RATIO:.0f}).\n\n"
        f"Memory of one function process over {memory['messages']:,} messages: {memory['first_mb']:.1f} MB after the "
        f"first tenth, {memory['last_mb']:.1f} MB at the end; {memory['slope_kb']:+.1f} KB for 1,000 messages by least "
        f"squares (wanted: below {SLOPE_TARGET_KB:.0f}).\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="Throughput, latency and memory of the embedding system.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--messages", type=int, default=10_000, help="for the memory measurement")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.rounds, given.messages, Console(quiet=given.json))
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        names = ("openai", "pinecone", "ministack")
        versions = {"Python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}
        page.section("load", "python -m benchmarks.load --page", markdown(found), versions)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
