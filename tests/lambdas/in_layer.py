"""Runs the function as Lambda would: its own files, the real layer and the runtime's packages, and nothing else.

Started by a test_in_its_layer.py with `python -I -S`, so no site-packages are on the path; what it imports from, and
the function, are in sys.argv. It is told the event on stdin, and prints what Lambda would log, then the outcome.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path


class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = f"strata-test-{sys.argv[2]}"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:eu-central-1:123456789012:function:strata-test-{sys.argv[2]}:live"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def no_network(name: str, arguments: object) -> None:
    if name in {"socket.connect", "socket.getaddrinfo"} and watch:
        raise RuntimeError(f"{name}{arguments} while nothing was to be asked")


watch: list[bool] = [True]
sys.addaudithook(no_network)
sys.path[:0] = json.loads(sys.argv[1])
started = time.perf_counter()
handler = importlib.import_module(f"lambdas.{sys.argv[2]}.handler").handler

imported = time.perf_counter() - started
# Not ru_maxrss, which a process inherits from the one that started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
start_mb = int(status["VmHWM"].split()[0]) / 1024
health = handler({"test": True}, Context())  # type: ignore[arg-type]
watch.clear()
answer = handler(json.load(sys.stdin), Context())  # type: ignore[arg-type]
specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
places = {spec.origin for spec in specs if spec is not None and spec.origin}
print(
    json.dumps(
        {"health": health, "answer": answer, "imported": imported, "start_mb": start_mb, "places": sorted(places)}
    )
)
