"""The knowledge base's API: its routes one at a time, a long document, and many users at once.

    python -m benchmarks.knowledge_base [--users 50] [--rounds 4] [--pages 200] [--json] [--page]

Everything is the real path on one machine: HTTP to the emulator's API, the Lambda host with a process for each request
at a time, DynamoDB, S3, SQS, Weaviate's protocol over gRPC. The model is a stand-in that answers at once; the time that
calls to it take is taken off the warm figures all the same. A long document goes the way of any other, from the
request to `ready`. Under load each user signs in, uploads a PDF, waits until
it is ready, then lists, searches, reads a page and asks, round after round; what is throttled is tried again.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import random
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks import page
from benchmarks.ingestion import manual
from benchmarks.knowledge_base_user import THROTTLED, Seen, User
from sandbox.cloud import LocalCloud

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FUNCTION = "knowledge_base"
WARM = 30
"""Requests of each route, one after the other."""
READ_SECONDS = 60.0
"""In which a document of 200 pages is to be ready."""
READ_TIMES = 3
RAMP_SECONDS = 60.0
"""In which the users come: a process for each request at a time takes a while to start on a small machine."""
THINK_SECONDS = (1.0, 3.0)
"""Between two requests of somebody who looks at what they got."""


def day(user: User, rounds: int, delay: float) -> float:
    """All that a user does; the seconds until their document was ready."""
    time.sleep(delay)
    user.register()
    user.sign_in()
    user.upload()
    ready = user.wait()
    user.begin()
    for step in (user.list, user.search, user.read, user.question) * rounds:
        time.sleep(random.uniform(*THINK_SECONDS))  # noqa: S311 - a pace, not a secret
        step()
    user.refresh()
    user.close()
    return ready


def under_load(url: str, users: int, rounds: int) -> dict[str, Any]:
    """Many users at once."""
    seen = Seen()
    begun = time.monotonic()
    failed: Counter[str] = Counter()
    ready: list[float] = []
    with ThreadPoolExecutor(users) as pool:
        days = [pool.submit(day, User(url, seen), rounds, RAMP_SECONDS * number / users) for number in range(users)]
        for done in days:
            error = done.exception()
            if error is None:
                ready.append(done.result())
            else:
                failed[type(error).__name__] += 1
    seconds = time.monotonic() - begun
    throttled = sum(found[THROTTLED] for found in seen.statuses.values())
    errors = seen.errors
    return {
        "users": users,
        "rounds": rounds,
        "seconds": seconds,
        "requests": seen.requests,
        "requests_per_second": seen.requests / seconds,
        "errors": errors,
        "error_rate": sum(errors.values()) / seen.requests,
        "throttled": throttled,
        "users_that_failed": dict(failed),
        "ready_seconds": percentiles(ready) if len(ready) > 1 else {},
        "routes": {route: percentiles(times) for route, times in sorted(seen.times.items())},
    }


def warm(cloud: LocalCloud, url: str) -> dict[str, Any]:
    """Each route by one user, one request after the other; what the model's stand-in took is taken off."""
    user, seen = User(url, Seen()), Seen()
    user.register()
    user.sign_in()
    user.upload()
    user.wait()
    user.begin()
    user.seen = seen  # what came before made it warm
    log = cloud.state("openai").log
    steps: Sequence[Callable[[], object]] = (
        user.health, user.register, user.sign_in, user.refresh, user.list, user.get, user.read, user.view,
        user.link, user.announce, user.search, user.begin, user.chats, user.question, user.messages,
    )  # fmt: skip
    models: dict[str, list[float]] = {}
    for step in steps:
        step()
        (route,) = seen.times.keys() - models.keys()
        seen.times[route].clear()
        models[route] = []
        for _ in range(WARM):
            log.clear()
            step()
            models[route].append(sum(entry.seconds for entry in log.entries()) * 1000)
    return {
        route: {
            **percentiles([whole - model for whole, model in zip(times, models[route], strict=True)]),
            "model_p50": statistics.median(models[route]),
        }
        for route, times in seen.times.items()
    }


def long_document(url: str, pages: int) -> dict[str, Any]:
    """A long document, a few times: from the request that brings it to `ready`."""
    user, data = User(url, Seen()), manual(pages)
    user.register()
    user.sign_in()
    seconds: list[float] = []
    for _ in range(READ_TIMES):
        begun = time.monotonic()
        user.upload(data)
        user.wait(every_seconds=0.1)
        seconds.append(time.monotonic() - begun)
    user.close()
    middle = statistics.median(seconds)
    return {
        "pages": pages,
        "kilobytes": len(data) / 1000,
        "seconds": middle,
        "most": max(seconds),
        "pages_per_second": pages / middle,
    }


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99, the most; and how many there are."""
    if len(values) < 2:
        return {"p50": values[0], "p95": values[0], "p99": values[0], "most": values[0], "count": 1}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "most": max(values), "count": len(values)}


def measure(users: int, rounds: int, pages: int, console: Console) -> dict[str, Any]:
    """Run everything; the figures."""
    before = page.load_average()
    with LocalCloud("load-knowledge-base", systems=[FUNCTION]) as cloud:
        url = cloud.function(FUNCTION)["api_url"]
        found = warm(cloud, url)
        console.print(f"warm: {len(found)} routes")
        read = long_document(url, pages)
        console.print(f"{pages} pages: {read['seconds']:.1f} s")
        loaded = under_load(url, users, rounds)
        console.print(f"load: {loaded['requests']} requests, {loaded['error_rate']:.2%} errors")
    return {
        "warm": found,
        "long_document": read,
        "load": loaded,
        "load_average": {"before": before, "after": page.load_average()},
        "ok": not loaded["errors"] and not loaded["users_that_failed"] and read["most"] < READ_SECONDS,
    }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    load, busy, read = found["load"], found["load_average"], found["long_document"]
    rate = f"error rate **{load['error_rate']:.2%}**"
    warm_rows = [
        [f"`{route}`", f"{one['p50']:.0f}", f"{one['p95']:.0f}", f"{one['model_p50']:.0f}"]
        for route, one in found["warm"].items()
    ]
    load_rows = [
        [f"`{route}`", str(one["count"]), *(f"{one[name]:.0f}" for name in ("p50", "p95", "p99"))]
        for route, one in load["routes"].items()
    ]
    kept = "kept" if read["most"] < READ_SECONDS else f"**missed**: the slowest took {read['most']:.0f} s"
    ready = load["ready_seconds"]
    waited = f"A PDF was ready after {ready['p50']:.0f} s (p95 {ready['p95']:.0f} s)." if ready else "No PDF was ready."
    failed = sum(load["users_that_failed"].values())
    gave_up = f" {failed} of the users did not get to the end." if failed else ""
    errors = ", ".join(f"{count} x {what}" for what, count in load["errors"].items()) or "none"
    return (
        "## Knowledge base\n"
        f"The API on one sandbox host. Load average of the machine {busy['before']:.1f} before, {busy['after']:.1f} "
        f"after.\n\n**Warm**, one user, {WARM} requests of each route one after the other; the time of calls to the "
        "model is taken off and shown beside it.\n\n"
        f"{page.table(['', 'p50 ms', 'p95 ms', 'model p50 ms'], warm_rows)}\n\n"
        f"**A document of {read['pages']} pages**, prose and tables, {read['kilobytes']:.0f} kB: ready "
        f"{read['seconds']:.1f} s after its upload began, the median of {READ_TIMES} "
        f"({read['pages_per_second']:.0f} pages a second, with a model that answers at once). "
        f"Asked: under {READ_SECONDS:.0f} s; {kept}.\n\n"
        f"**{load['users']} users at once**, who come within {RAMP_SECONDS:.0f} s, each with a PDF of their own, and "
        f"look {THINK_SECONDS[0]:.0f} to {THINK_SECONDS[1]:.0f} s at what they got, in {load['rounds']} rounds "
        f"of listing, searching, reading and asking: {load['requests']:,} requests in "
        f"{load['seconds']:.0f} s ({load['requests_per_second']:.1f} a second), {rate} "
        f"(errors: {errors}; answered 429 and tried again: {load['throttled']}). "
        f"{waited}{gave_up}\n\n"
        f"{page.table(['', 'requests', 'p50 ms', 'p95 ms', 'p99 ms'], load_rows)}\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="The knowledge base's API: its routes, a long document, many users.")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--pages", type=int, default=200, help="of the long document")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.users, given.rounds, given.pages, Console(quiet=given.json))
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        names = ("fastapi", "mangum", "weaviate-client", "ministack")
        versions = {"Python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}
        page.section("knowledge_base", "python -m benchmarks.knowledge_base --page", markdown(found), versions)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
