"""How long a preview's own work takes: `python benchmarks/preview.py [--stack dev] [--runs 5]`.

Runs the whole program in fresh processes against a monitor in memory, so that neither an engine nor AWS is in the
numbers, and prints medians: importing Pulumi and the components, reading and checking the config, the layers' digests
and budget, and registering everything. No Docker, no build, no socket.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import runpy
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
STEPS = {
    "import": "import of Pulumi and the components",
    "settings": "settings",
    "layers": "layers: digests, manifest, budget, and the function's files",
    "program": "the program itself: all of the above but the imports again, and registering every resource",
    "total": "the program, from the start of Python to its end",
}


def refuse(*_: object, **__: object) -> NoReturn:
    """Stand in for a socket and for a process: a preview needs neither."""
    raise AssertionError("the program opened a socket or started a process")


class Clock:
    """Wall and processor seconds between two readings: on a busy machine only the second is this program's own."""

    def __init__(self) -> None:
        self.last = (time.perf_counter(), time.process_time())

    def step(self) -> list[float]:
        """Return the seconds since the last reading."""
        before, self.last = self.last, (time.perf_counter(), time.process_time())
        return [now - then for now, then in zip(self.last, before, strict=True)]


def once(stack: str) -> dict[str, list[float]]:
    """Run the program once, in this process; return wall and processor seconds per step."""
    clock = Clock()
    import yaml  # its import is measured

    from components.settings import load_settings
    from components.system import prepare
    from components.systems import SYSTEMS
    from tests.harness import Build

    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    steps = {"import": clock.step()}
    models = {name: system.settings for name, system in SYSTEMS.items()}
    settings = load_settings(config, models, stack=stack)
    steps["settings"] = clock.step()
    prepare(SYSTEMS, settings)
    steps["layers"] = clock.step()
    socket.socket.connect = refuse
    subprocess.Popen.__init__ = refuse
    path = str(ROOT / "__main__.py")
    program = Build()(lambda: runpy.run_path(path, run_name="__main__"), config=config, stack=stack)
    steps["program"] = clock.step()
    assert program.exports["functions"]
    steps["total"] = [time.time() - float(os.environ["STRATA_BEGUN"]), time.process_time()]
    return steps


def in_a_process(stack: str) -> dict[str, list[float]]:
    """Run it once, in a fresh process, as on anybody's machine: what was imported once has bytecode."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STRATA_BEGUN": str(time.time())}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, __file__, "--once", "--stack", stack]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print the table, or one run's JSON for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="dev", choices=["dev", "prod"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(once(arguments.stack)))
        return
    # The first run, which writes bytecode, does not count.
    runs = [in_a_process(arguments.stack) for _ in range(arguments.runs + 1)]
    print(f"{arguments.stack}, Python {platform.python_version()}: seconds, medians of {arguments.runs} runs")
    print("   wall  fastest  processor")
    for step, meaning in STEPS.items():
        wall, processor = ([run[step][kind] for run in runs[1:]] for kind in (0, 1))
        times = f"{statistics.median(wall):7.3f}  {min(wall):7.3f}  {statistics.median(processor):9.3f}"
        print(f"{times}  {meaning}")


if __name__ == "__main__":
    main()
