"""How much the sandbox's Lambda host adds to a warm invocation, and what a cold start costs.

    python benchmarks/invoke.py [--calls 500] [--json]

Measures a function that returns its event: through the host alone (over one connection, as the emulator's hook calls
it), and through the local AWS's Invoke API with boto3. Medians in milliseconds.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import statistics
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402 - the repository's root comes first
from rich.table import Table  # noqa: E402

from sandbox.emulator import Emulator  # noqa: E402
from sandbox.emulator_process import fingerprint  # noqa: E402
from sandbox.lambda_code import PROXY_VARIABLE, running_runtime  # noqa: E402
from sandbox.lambda_host import LambdaHost  # noqa: E402
from sandbox.workspace import Workspace  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.account import Account

NAME = "echo"
CODE = "def handler(event, context):\n    return event\n"
TARGET_MS = 10.0
COLD_STARTS = 5


def deploy(account: Account, url: str) -> dict[str, Any]:
    """Make the function; its configuration."""
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    role = account.client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", CODE)
    return account.client("lambda").create_function(
        FunctionName=NAME,
        Runtime=running_runtime(),
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": content.getvalue()},
        Timeout=10,
        Environment={"Variables": {PROXY_VARIABLE: url}},
    )


def timed(call: Callable[[], object], calls: int) -> list[float]:
    """Milliseconds of each call, shortest first."""
    found: list[float] = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        found.append((time.perf_counter() - started) * 1000)
    return sorted(found)


def measure(calls: int) -> dict[str, Any]:
    """Run all of it; figures by name."""
    with Workspace("benchmark") as workspace:
        account = Emulator(workspace).start()
        host = LambdaHost(workspace)
        url = host.start(account)
        config = deploy(account, url)
        connection = http.client.HTTPConnection("127.0.0.1", int(url.rsplit(":", 1)[1]))
        headers = {
            "X-Amzn-Lambda-Function-Name": NAME,
            "X-Amzn-Lambda-Function-Version": "$LATEST",
            "X-Amzn-Lambda-Function-Arn": config["FunctionArn"],
            "X-Amzn-Lambda-Request-Id": "00000000-0000-0000-0000-000000000000",
            "X-Strata-Fingerprint": fingerprint(config),
        }

        def through_host() -> None:
            connection.request("POST", "/", b'{"n": 1}', headers)
            answer = connection.getresponse()
            body = answer.read()
            assert body == b'{"n": 1}', body

        def through_aws() -> None:
            answer = account.client("lambda").invoke(FunctionName=NAME, Payload=b'{"n": 1}')
            assert json.load(answer["Payload"]) == {"n": 1}

        def cold() -> None:
            host.kill(function=NAME)
            through_host()

        through_host()
        starts = timed(cold, COLD_STARTS)
        timed(through_host, 20)
        warm, aws = timed(through_host, calls), timed(through_aws, calls)
        isolation = host.environments()[0]["isolation"]
    return {
        "calls": calls,
        "isolation": isolation,
        "cold_start_ms": round(statistics.median(starts), 1),
        "host_ms": {"median": round(statistics.median(warm), 2), "p99": round(warm[int(len(warm) * 0.99)], 2)},
        "invoke_api_ms": {"median": round(statistics.median(aws), 2), "p99": round(aws[int(len(aws) * 0.99)], 2)},
        "target_ms": TARGET_MS,
        "ok": statistics.median(warm) < TARGET_MS,
    }


def main() -> int:
    """Print the figures; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--calls", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.calls)
    if given.json:
        print(json.dumps(found, indent=2))
        return 0 if found["ok"] else 1
    table = Table("", "median ms", "p99 ms", title=f"{found['calls']} calls; {found['isolation']}")
    table.add_row("warm, the host alone (target < 10)", str(found["host_ms"]["median"]), str(found["host_ms"]["p99"]))
    table.add_row(
        "warm, Invoke API with boto3", str(found["invoke_api_ms"]["median"]), str(found["invoke_api_ms"]["p99"])
    )
    table.add_row(f"cold start (of {COLD_STARTS})", str(found["cold_start_ms"]), "")
    Console().print(table)
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
