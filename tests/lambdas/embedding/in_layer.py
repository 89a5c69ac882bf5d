"""Runs the function as Lambda would: its own files, the real layer and the runtime's packages, and nothing else.

Started by test_in_its_layer.py with `python -I -S`, so that no site-packages are on the path; what it imports from is
in sys.argv. It is told the event on stdin, and prints what Lambda would log, then one line with the outcome.
"""

from __future__ import annotations

import json
import sys
import time


class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "strata-test-embedding"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:strata-test-embedding:live"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def no_network(name: str, arguments: object) -> None:
    if name in {"socket.connect", "socket.getaddrinfo"} and watch:
        raise RuntimeError(f"{name}{arguments} while nothing was to be asked")


watch: list[bool] = [True]
sys.addaudithook(no_network)
sys.path[:0] = json.loads(sys.argv[1])
started = time.perf_counter()
from lambdas.embedding.handler import handler  # noqa: E402  the path comes first

imported = time.perf_counter() - started
health = handler({"test": True}, Context())  # type: ignore[arg-type]
watch.clear()
answer = handler(json.load(sys.stdin), Context())  # type: ignore[arg-type]
specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
places = {spec.origin for spec in specs if spec is not None and spec.origin}
print(json.dumps({"health": health, "answer": answer, "imported": imported, "places": sorted(places)}))
