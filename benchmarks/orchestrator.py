"""The orchestrator's start: a webhook answered without the agents, strands with and without bytecode, their weight.

    python -m benchmarks.orchestrator [--runs 5] [--json] [--page]

Takes the two real layers (built first when they are not there), unpacked over each other and never written to, and
starts fresh processes with Lambda's path and no other packages. A webhook is signed, checked and queued on the local
AWS. Medians; processor time is what other work on the machine changes least.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import page
from components.code_package import code_package
from lambdas.orchestrator import contract
from layer_builds.build.builder import build_layer
from layer_builds.host.interpreters import runtime_root
from layer_builds.plan import RUNTIMES, Target, host_architecture, load_layer
from ops.package import pack
from sandbox.emulator import Emulator
from sandbox.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.account import Account

SEED_BYTES = 28_000_000
"""What the seed says of the package before: everything in one."""
SECRET = "benchmark-of-webhooks"  # noqa: S105 - checked nowhere else
STARTED = """
import json, os, sys, time
sys.path[:0] = json.loads(sys.argv[1])
given = json.load(sys.stdin)
class Context:
    function_name = memory_limit_in_mb = aws_request_id = invoked_function_arn = "probe"
    def get_remaining_time_in_millis(self):
        return 600_000
found = {}
def step(name, work):
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    found[name] = [time.perf_counter() - wall, time.process_time() - processor]
    return result
sys.stdout = sys.stderr
"""
WEBHOOK = f"""{STARTED}
def load():
    import lambda_function
    return lambda_function
function = step("import", load)
def send():
    answer = function.lambda_handler(given, Context())
    assert answer["statusCode"] == 202, answer
step("first", send)
step("second", send)
found["agents"] = sorted(name for name in sys.modules if name.partition(".")[0] in ("strands", "openai", "httpx"))
found["modules"] = len(sys.modules)
os.write(1, json.dumps(found).encode())
"""
AGENTS = f"""{STARTED}
def runtime():
    import boto3.session, botocore.client, botocore.config, botocore.exceptions
def load():
    import strands
def client():
    import coderipple.agents.models, coderipple.agents.tools
    from strands.models.openai import OpenAIModel
step("boto3, of the runtime", runtime)
step("strands", load)
step("its client for OpenAI, the agents", client)
found["modules"] = len(sys.modules)
os.write(1, json.dumps(found).encode())
"""


def start(script: str, paths: list[str], environment: Mapping[str, str], event: object) -> dict[str, Any]:
    """One process: what it measured."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", script, json.dumps(paths)],
        input=json.dumps(event),
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    if done.returncode:
        raise SystemExit(f"the probe failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def trees(folder: Path) -> tuple[dict[str, Path], dict[str, dict[str, int]]]:
    """Both layers over each other, as built and without bytecode; and what each weighs."""
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    compiler = None if RUNTIMES[runtime].compiler == platform.python_version() else platform.python_version()
    opt, sizes = folder / "bytecode", dict[str, dict[str, int]]()
    for name in contract.LAYERS:
        built = build_layer(load_layer(name), Target(runtime, host_architecture()), compiler=compiler)
        sizes[name] = {"zip": built.path.stat().st_size, "unzipped": built.entry.unzipped_bytes}
        with zipfile.ZipFile(built.path) as archive:
            archive.extractall(opt)
    shutil.copytree(opt, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    return {"with bytecode": opt, "without bytecode": folder / "source"}, sizes


def world(account: Account) -> dict[str, str]:
    """The function's variables, with a queue of its own."""
    queue = account.client("sqs").create_queue(QueueName=f"webhooks-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    secret = account.client("secretsmanager").create_secret(Name=uuid.uuid4().hex, SecretString=SECRET)["ARN"]
    return {
        **account.environment(),
        "PATH": os.defpath,
        "POWERTOOLS_SERVICE_NAME": "probe",
        "AWS_LAMBDA_FUNCTION_NAME": "probe",
        "GITHUB_WEBHOOK_SECRET_SECRET_ARN": secret,
        "GITHUB_TOKEN_SECRET_ARN": secret,
        "OPENAI_API_KEY_SECRET_ARN": secret,
        contract.SOURCE_REPO: "acme/kettle",
        contract.MODEL_PROVIDER: "openai",
        contract.MODEL_ID: "probe",
        contract.WEBHOOK_QUEUE_URL: queue,
        contract.IDEMPOTENCY_TABLE: "probe",
        contract.RUNS_TABLE: "probe",
    }


def webhook() -> dict[str, Any]:
    """A signed push, as the HTTP API hands it on."""
    repository = {"id": 1, "name": "kettle", "full_name": "acme/kettle", "default_branch": "main"}
    body = json.dumps({"ref": "refs/heads/main", "before": "a" * 40, "after": "b" * 40, "repository": repository})
    headers = {
        "x-github-event": "push",
        "x-github-delivery": str(uuid.uuid4()),
        "x-hub-signature-256": f"sha256={hmac.new(SECRET.encode(), body.encode(), hashlib.sha256).hexdigest()}",
    }
    http = {"method": "POST", "path": "/webhook"}
    context = {"http": http, "stage": "$default"}
    return {"rawPath": "/webhook", "headers": headers, "requestContext": context, "body": body}


def measure(runs: int) -> dict[str, Any]:
    """Run everything in turns; seconds."""
    runtime = str(runtime_root(Path(sys.executable).resolve()))
    files = code_package("orchestrator", at_root=("lambda_function.py",)).files
    seen: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder, Workspace("benchmark", Path(folder)) as space:
        emulator = Emulator(space)
        environment = world(emulator.start())
        task = Path(folder) / "task"
        for path, text in files.items():
            (task / path).parent.mkdir(parents=True, exist_ok=True)
            (task / path).write_text(text)
        folders, sizes = trees(Path(folder))
        try:
            for number in range(runs + 1):  # the first brings the files into memory
                for name, tree in folders.items():
                    paths = [str(task), str(tree / "python"), runtime]
                    for what, script in (("webhook", WEBHOOK), ("agents", AGENTS)):
                        found = start(script, paths, environment, webhook())
                        seen.setdefault(f"{what} {name}", []).extend([found] if number else [])
        finally:
            emulator.stop()
    steps = {
        name: {
            step: {
                "wall": statistics.median(one[step][0] for one in found),
                "processor": statistics.median(one[step][1] for one in found),
            }
            for step, measured in found[0].items()
            if isinstance(measured, list) and step != "agents"
        }
        for name, found in seen.items()
    }
    return {
        "steps": steps,
        "modules": {name: found[0]["modules"] for name, found in seen.items()},
        "agents_in_webhook": seen["webhook with bytecode"][0]["agents"],
        "sizes": {"function": {"zip": len(pack(files)), "unzipped": sum(map(len, files.values()))}, **sizes},
        "runs": runs,
        "load_average": page.load_average(),
    }


def markdown(found: dict[str, Any]) -> str:
    """The page's section."""
    steps, sizes = found["steps"], found["sizes"]
    rows = [
        [f"{name}: {step}", *(f"{seconds[kind] * 1000:.0f}" for kind in ("wall", "processor"))]
        for name, measured in steps.items()
        for step, seconds in measured.items()
    ]
    weights = [[name, f"{size['zip'] / 1e6:.2f}", f"{size['unzipped'] / 1e6:.1f}"] for name, size in sizes.items()]
    ratios = {
        kind: steps["agents without bytecode"]["strands"][kind] / steps["agents with bytecode"]["strands"][kind]
        for kind in ("wall", "processor")
    }
    cold = sum(steps["webhook with bytecode"][step]["wall"] for step in ("import", "first"))
    warm = steps["webhook with bytecode"]["second"]["wall"]
    return (
        "## Orchestrator\n"
        f"Fresh processes on the two real layers, medians of {found['runs']} runs, milliseconds; the machine's load "
        f"average was {found['load_average']:.1f}. A webhook is answered in {cold:.2f} s cold and "
        f"{warm * 1000:.0f} ms warm, signature, secret and queue included, with "
        f"{len(found['agents_in_webhook'])} modules of strands, openai or httpx imported. Strands takes "
        f"{ratios['processor']:.1f} times the processor time without the layer's bytecode ({ratios['wall']:.1f} times "
        "on the clock); boto3, which it imports, is the runtime's and not counted.\n\n"
        f"{page.table(['', 'wall', 'processor'], rows)}\n\n"
        f"{page.table(['megabytes', 'zip', 'unzipped'], weights)}\n\n"
        f"The seed's one package had {SEED_BYTES / 1e6:.0f} MB. Strands' official layer was not available "
        "to compare with.\n"
    )


def main() -> int:
    """Measure, print, and with --page write the section."""
    parser = argparse.ArgumentParser(description="How the orchestrator starts, and what it weighs.")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true", help="write the section of docs/benchmarks.md")
    given = parser.parse_args()
    found = measure(given.runs)
    print(json.dumps(found, indent=2) if given.json else markdown(found))
    if given.page:
        versions = {"Python": platform.python_version()}
        page.section("orchestrator", "python -m benchmarks.orchestrator --page", markdown(found), versions)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
