"""Whether a stack can be deployed and looked after from here: tools, config, credentials, limits, secrets.

Every check is tried, whatever the others found, and says what to do. It changes nothing and reads no secret.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from layer_builds import RUNTIMES, LayerBuildError, find_interpreter
from ops import secret
from ops.cli import explain_botocore
from ops.errors import OpsError, UsageError
from ops.markdown import LIMIT, megabytes
from ops.mock_plan import make_plan
from ops.report import Report, Table
from ops.stack import LOCAL, ROOT, Stack, load_stack, no_config, read_config, session_for, stack_config_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PYTHONS = ((3, 11), (3, 13))
OLDEST_PULUMI = (3, 146)
"""The first with `pulumi:autonaming`: https://www.pulumi.com/docs/iac/concepts/resources/names/#autonaming-configuration"""
UNRESERVED_CONCURRENCY = 100
"""What AWS keeps for functions without a reservation: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
QUOTA = "https://console.aws.amazon.com/servicequotas/home/services/lambda/quotas/L-B99A9384"
NEARLY_FULL = 0.8
WARN_DAYS = 180
TOOL_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    state: str
    """`ok`, `warn` (works, but look at it) or `fail`."""
    found: str
    way_out: str = ""


@dataclass(slots=True)
class Patient:
    """What the checks look at."""

    name: str
    root: Path
    config: dict[str, Any]
    plan: dict[str, Any]
    stack: Stack | None
    """None when it is not deployed."""
    why_not: str = ""
    """Why `stack` is None."""
    session: Any = None
    endpoint: str | None = None
    today: dt.date = field(default_factory=lambda: dt.datetime.now(dt.UTC).date())

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions that the program declares."""
        return self.plan["functions"]

    def client(self, service: str) -> Any:
        """A boto3 client for the stack's account."""
        return self.session.client(service, endpoint_url=self.endpoint)


def doctor(name: str, *, config_file: Path | None = None, offline: bool = False, root: Path = ROOT) -> Report:
    """Try every check on one stack."""
    patient = admit(name, config_file=config_file, offline=offline, root=root)
    checks = [*HERE, *([] if offline else ACCOUNT)]
    findings = [finding for check in checks for finding in attempt(check, patient)]
    failed = sum(one.state == "fail" for one in findings)
    rows = [[one.state, one.check, one.found, one.way_out] for one in findings]
    return Report(
        ok=not failed,
        data={
            "stack": name,
            "checks": [
                {"check": one.check, "state": one.state, "found": one.found, "way_out": one.way_out} for one in findings
            ],
        },
        tables=[Table(title=f"doctor {name}", columns=["", "check", "found", "what to do"], rows=rows)],
        notes=[f"{failed} failed" if failed else "nothing stands in the way"],
    )


def admit(name: str, *, config_file: Path | None, offline: bool, root: Path) -> Patient:
    """Gather what there is of a stack; of what may be missing, only its config file stops the others."""
    file = config_file or stack_config_file(name, root)
    if not file.is_file():
        raise UsageError(no_config(file))
    config = read_config(file)
    stack, why_not = None, ""
    if not offline:
        try:
            stack = load_stack(name, root=root, config_file=config_file)
            _ = stack.functions
        except OpsError as error:
            stack, why_not = None, str(error)
    plan = make_plan(root, name, config_file=file)
    patient = Patient(name=name, root=root, config=config, plan=plan, stack=stack, why_not=why_not)
    if stack is not None:
        patient.session, patient.endpoint = stack.session, stack.endpoint
    elif name != LOCAL:
        patient.session = session_for(config)
    return patient


def attempt(check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> list[Finding]:
    """One check; what stops it is its finding."""
    title = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return list(check(patient))
    except OpsError as error:
        return [Finding(title, "fail", str(error))]
    except (BotoCoreError, ClientError) as error:
        found, way_out = explain_botocore(error) or (str(error), "")
        if isinstance(error, BotoCoreError):
            return [Finding(title, "fail", found, way_out)]
        return [Finding(title, "warn", f"could not be looked at: {found}", way_out or "allow it, if it matters")]


def check_python(_: Patient) -> Iterator[Finding]:
    """The interpreter that runs the program and the builder."""
    version = ".".join(map(str, sys.version_info[:3]))
    lowest, highest = PYTHONS
    if lowest <= sys.version_info[:2] <= highest:
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "fail", version, "use Python 3.11 to 3.13")


def check_tools(patient: Patient) -> Iterator[Finding]:
    """What a deployment starts."""
    yield tool("uv", "--version", "install uv (https://docs.astral.sh/uv/): `pulumi up` publishes layers with it")
    if patient.name != LOCAL:
        yield pulumi_tool()
    if section(patient, "strata:layers").get("builder") == "docker":
        yield tool(
            "docker", "info", "start Docker, or set strata:layers.builder to native", argument="--format={{.ID}}"
        )


def tool(name: str, command: str, way_out: str, *, argument: str | None = None) -> Finding:
    """Whether a program starts and answers."""
    line = answer_of([name, command, *([argument] if argument else [])])
    return (
        Finding(name, "ok", line)
        if line is not None
        else Finding(name, "fail", "not found, or does not answer", way_out)
    )


def pulumi_tool() -> Finding:
    """The CLI, and whether it is new enough."""
    line = answer_of(["pulumi", "version"])
    install = "install it: https://www.pulumi.com/docs/iac/download-install/"
    if line is None:
        return Finding("pulumi", "fail", "not found, or does not answer", install)
    match = re.match(r"v?(\d+)\.(\d+)", line)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_PULUMI:
        return Finding("pulumi", "fail", line, f"at least {OLDEST_PULUMI[0]}.{OLDEST_PULUMI[1]} is needed; {install}")
    return Finding("pulumi", "ok", line)


def answer_of(command: list[str]) -> str | None:
    """First line of what a program says; None when it is not there or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TOOL_TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return (done.stdout.strip().splitlines() or [""])[0] if done.returncode == 0 else None


def check_program(patient: Patient) -> Iterator[Finding]:
    """The program's own checks: settings, locks, manifests, budget, as a preview would make them."""
    error = patient.plan["error"]
    if error is not None:
        yield Finding("config and layers", "fail", str(error), "mend what it names; docs/config.md lists every key")
        return
    yield Finding("config and layers", "ok", f"{len(patient.plan['resources'])} resources declared")
    for function in patient.functions:
        size = function["code_bytes"] + sum(layer["unzipped_bytes"] for layer in function["layers"])
        share = size / LIMIT
        state = "ok" if share < NEARLY_FULL else "warn" if size <= LIMIT else "fail"
        way_out = "" if state == "ok" else "`python -m layer_builds report` shows what fills the layers"
        yield Finding(
            f"size of {function['name']}", state, f"{megabytes(size)} unzipped, {share:.0%} of the limit", way_out
        )


def check_runtimes(patient: Patient) -> Iterator[Finding]:
    """Whether AWS still supports each runtime, and whether its layers can be built here."""
    for target in sorted({str(function["target"]) for function in patient.functions}):
        name = target.rsplit("-", 1)[0]
        facts = RUNTIMES.get(name)
        if facts is None:
            yield Finding(
                target, "fail", "not a runtime that layers are built for", f"use one of {', '.join(RUNTIMES)}"
            )
            continue
        days = (facts.deprecated - patient.today).days
        found = f"{name} is supported until {facts.deprecated.isoformat()}"
        if days < WARN_DAYS:
            yield Finding(target, "fail" if days < 0 else "warn", found, "set the function's `runtime` to a newer one")
        else:
            yield Finding(target, "ok", found)
        yield compiler(patient, target, facts.compiler)


def compiler(patient: Patient, target: str, version: str) -> Finding:
    """The interpreter that compiles a target's bytecode; only a build needs it."""
    if section(patient, "strata:layers").get("compiler") == "running":
        return Finding(f"compiler for {target}", "ok", "the running Python")
    if section(patient, "strata:layers").get("builder") == "docker":
        return Finding(f"compiler for {target}", "ok", "the build image's")
    try:
        return Finding(f"compiler for {target}", "ok", str(find_interpreter(version)))
    except LayerBuildError as error:
        way_out = f"`uv python install {version}`; not needed where the bucket holds the layer"
        return Finding(f"compiler for {target}", "warn", str(error), way_out)


def check_credentials(patient: Patient) -> Iterator[Finding]:
    """Who we are, where."""
    if patient.session is None:
        yield Finding("stack", "fail", patient.why_not)
        return
    identity = patient.client("sts").get_caller_identity()
    yield Finding("credentials", "ok", f"{identity['Arn']}")
    if patient.stack is None:
        yield Finding("stack", "warn", patient.why_not.splitlines()[0], f"`pulumi up --stack {patient.name}`")
        return
    accounts = {function.account for function in patient.stack.functions.values()}
    if accounts != {identity["Account"]}:
        yield Finding(
            "account", "fail", f"the stack runs in {', '.join(sorted(accounts))}", "use that account's credentials"
        )
    else:
        yield Finding("stack", "ok", f"deployed: {', '.join(sorted(patient.stack.functions))}")


def check_region(patient: Patient) -> Iterator[Finding]:
    """Whether Lambda is there."""
    if patient.session is None:
        return
    region = patient.session.region_name
    if region is None:
        yield Finding(
            "region", "fail", "none is set", f"`pulumi config set aws:region <region> --stack {patient.name}`"
        )
        return
    partition = patient.session.get_partition_for_region(region)
    known = region in patient.session.get_available_regions("lambda", partition_name=partition)
    way_out = "" if known else "boto3 knows no Lambda there: is it spelt right?"
    yield Finding("region", "ok" if known else "warn", region, way_out)


def check_limits(patient: Patient) -> Iterator[Finding]:
    """What the account allows, against what the program asks for."""
    if patient.session is None:
        return
    settings = patient.client("lambda").get_account_settings()
    limit, usage = settings["AccountLimit"], settings["AccountUsage"]
    # A program that refused to run has not said what it asks for: zeros would look like an answer.
    if patient.plan["error"] is None:
        yield from concurrency(
            patient, int(limit["ConcurrentExecutions"]), int(limit["UnreservedConcurrentExecutions"])
        )
    stored, room = int(usage["TotalCodeSize"]), int(limit["TotalCodeSize"])
    full = stored / room
    yield Finding(
        "code storage",
        "ok" if full < NEARLY_FULL else "warn" if full < 1 else "fail",
        f"{megabytes(stored)} of {megabytes(room)}",
        "" if full < NEARLY_FULL else f"`python -m ops prune --stack {patient.name} --keep 3 --function-versions`",
    )
    unzipped = int(limit["CodeSizeUnzipped"])
    if unzipped < LIMIT:
        yield Finding(
            "unzipped size", "fail", f"the account allows {unzipped:,} bytes", "ask AWS: it is normally fixed"
        )


def concurrency(patient: Patient, limit: int, unreserved: int) -> Iterator[Finding]:
    """Concurrent executions: the account's, and what reservations and queues ask for."""
    asked = {
        one["name"]: one["reserved_concurrency"] for one in patient.functions if one["reserved_concurrency"] is not None
    }
    held = reserved_already(patient)
    free = max(unreserved + held - UNRESERVED_CONCURRENCY, 0)
    wanted = sum(asked.values())
    raise_it = f"ask for more ({QUOTA}), or leave reserved_concurrency out"
    if wanted > free:
        yield Finding(
            "reserved concurrency",
            "fail",
            f"{wanted} asked for ({', '.join(sorted(asked))}), {free} can be had: "
            f"the account has {limit} in all, and AWS keeps {UNRESERVED_CONCURRENCY} unreserved",
            raise_it,
        )
    else:
        yield Finding("reserved concurrency", "ok", f"{wanted} asked for, {free} can be had")
    queues = sum(
        int((one["inputs"].get("scalingConfig") or {}).get("maximumConcurrency") or 0)
        for one in patient.plan["resources"]
        if one["type"] == "aws:lambda/eventSourceMapping:EventSourceMapping"
    )
    enough = queues <= limit
    yield Finding(
        "concurrent executions",
        "ok" if enough else "warn",
        f"{limit} in the account, {queues} at most for queues",
        "" if enough else f"lower maximum_concurrency, or ask for more ({QUOTA}): what is over it is throttled",
    )


def reserved_already(patient: Patient) -> int:
    """What this stack's functions hold now, and may go on holding."""
    if patient.stack is None:
        return 0
    client = patient.client("lambda")
    answers = [
        client.get_function_concurrency(FunctionName=function.name) for function in patient.stack.functions.values()
    ]
    return sum(int(answer.get("ReservedConcurrentExecutions", 0)) for answer in answers)


def check_secrets(patient: Patient) -> Iterator[Finding]:
    """Which secrets have a value."""
    if patient.stack is None:
        return
    for function in patient.stack.functions.values():
        for name, reference in sorted(function.secrets.items()):
            title = f"secret {name} of {function.key}"
            if secret.is_set(patient.stack, reference):
                yield Finding(title, "ok", "has a value")
            else:
                command = f"python -m ops secret set --stack {patient.name} {function.key} {name}"
                yield Finding(title, "fail", "has no value", f"`{command}`")


def section(patient: Patient, key: str) -> dict[str, Any]:
    """A section of the stack's config; empty where it is none."""
    value = patient.config.get(key)
    return dict(value) if isinstance(value, dict) else {}


HERE: tuple[Callable[[Patient], Iterator[Finding]], ...] = (check_python, check_tools, check_program, check_runtimes)
ACCOUNT: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    check_credentials,
    check_region,
    check_limits,
    check_secrets,
)
