"""The section `compare` of docs/benchmarks.md, from the figures of a run."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks import page
from benchmarks.compare_run import HOST, IMPORT_RUNS, OTHER
from benchmarks.compare_samples import CHANGED, LAYER, RUNTIME, SAMPLES

MEGABYTE = 1_000_000
RIVAL = "aws-lambda-builders, uv; zip"
WANTED_CHANGED = 0.7
"""Of the rival's time, for a build after one pin has changed."""
COLUMNS = (
    "",
    "build",
    "processor",
    "one changed pin",
    "processor",
    "zip MB",
    "unzipped MB",
    "cold import",
    "two builds",
    f"for {OTHER}",
)


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    results = [result for layer in found["layers"].values() for result in layer]
    how = {result["name"]: result["documentation"] for result in results}
    failures = [
        f"{layer}, {result['name']}: `{' '.join(result['failed'].split())[-200:]}`"
        for layer, some in found["layers"].items()
        for result in some
        if result["failed"]
    ]
    ours = next(iter(found["layers"].values()))[0]
    load = found["load_average"]
    text = (
        "## Beside other tools\n"
        f"For {RUNTIME} on {HOST}, the same pinned versions for all, to a zip, in new folders and in turns: medians of "
        f"{found['rounds']} builds and {IMPORT_RUNS} imports, in brackets as a multiple of this project's. Downloads "
        f"are cached{'' if found['pip_caches'] else ', but the index does not let pip do so: its times include them'}, "
        "and so is what this project made of wheels before. *One changed pin*: the next build after one small package "
        "has another version; *as before* where the tool installs everything anew each time, of which two count. "
        "*Processor* is the time of all processes, which other work on the machine changes "
        "little. Ours also checks every native file, and makes the layer's real call: in the build after a changed "
        "pin, and not again where no file is another (of the other layers, it imports each package). "
        "*Cold import* is from the unpacked zip, with Python's start; "
        f"`{LAYER}` holds {ours['bytecode_bytes'] / MEGABYTE:.1f} MB of bytecode that stays valid in Lambda, and "
        f"tiktoken's vocabulary (1.7 MB). *For {OTHER}*: whether the native files of a layer built on this machine for "
        f"that CPU are for it. Load average of the machine {load['before']:.1f} before, {load['after']:.1f} after.\n"
    )
    for layer, some in found["layers"].items():
        wants = f" ({', '.join(SAMPLES[layer])})" if SAMPLES[layer] else ""
        text += f"\n`{layer}`{wants}; the changed pin is {CHANGED[layer]}:\n\n"
        text += f"{page.table(COLUMNS, [_row(result, some[0]) for result in some])}\n{_call(some)}"
    text += "\nEach as documented:\n\n" + "\n".join(f"- {name}: {documentation}" for name, documentation in how.items())
    return text + ("\n\nFailed:\n\n" + "\n".join(f"- {failure}" for failure in failures) if failures else "") + "\n"


def _call(results: list[dict[str, Any]]) -> str:
    """What of a build after a changed pin is the layer's real call."""
    ours, rival = results[0], next((result for result in results if result["name"] == RIVAL), None)
    if not ours["call_seconds"] or rival is None or not rival["changed_seconds"]:
        return ""
    call, changed = statistics.median(ours["call_seconds"]), statistics.median(ours["changed_seconds"])
    base = statistics.median(rival["changed_seconds"])
    return (
        f"\nAfter the changed pin: {changed / base:.2f} times as long as {RIVAL}; at most {WANTED_CHANGED} is wanted. "
        f"The real call alone takes {call / base:.2f}: a floor, since it waits for the files, and what can go on "
        "beside it does. Two processes would share its imports between two cores, and would not notice packages that "
        "break each other, so it stays one.\n"
    )


def _row(result: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    if result["failed"]:
        return [result["name"], "failed", *[""] * (len(COLUMNS) - 2)]

    def timed(key: str, digits: int = 1) -> str:
        if not result[key]:
            return "as before"
        seconds, base = statistics.median(result[key]), statistics.median(ours[key])
        return f"{seconds:.{digits}f} s ({seconds / base:.2f})"

    return [
        result["name"],
        timed("build_seconds"),
        f"{statistics.median(result['cpu_seconds']):.1f} s",
        timed("changed_seconds"),
        f"{statistics.median(result['changed_cpu_seconds']):.1f} s" if result["changed_cpu_seconds"] else "",
        f"{result['zip_bytes'] / MEGABYTE:.1f}",
        f"{result['unzipped_bytes'] / MEGABYTE:.1f}",
        timed("import_seconds", 2),
        result["reproduced"],
        result["other_cpu"],
    ]
