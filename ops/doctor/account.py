"""Checks of the account: credentials, region, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.names import PROJECT
from layer_builds.plan import MAX_UNZIPPED_BYTES
from ops.doctor.patient import Check, Finding, Patient
from ops.markdown import megabytes
from ops.values import as_object

if TYPE_CHECKING:
    from collections.abc import Iterator

UNRESERVED_CONCURRENCY = 100
"""What AWS keeps for functions without a reservation: https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
QUOTA = "https://console.aws.amazon.com/servicequotas/home/services/lambda/quotas/L-B99A9384"
ALARMS = 5_000
"""Of one account in one region, unless AWS was asked for more:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html"""
ALARM_QUOTA = "https://console.aws.amazon.com/servicequotas/home/services/monitoring/quotas"
NEARLY_FULL = 0.8


def check_credentials(patient: Patient) -> Iterator[Finding]:
    """Who we are, where."""
    if patient.account is None:
        yield Finding("stack", "fail", patient.why_not)
        return
    identity = patient.account.client("sts").get_caller_identity()
    yield Finding("credentials", "ok", f"{identity['Arn']}")
    if patient.stack is None:
        deploy = f"`python -m ops deploy --stack {patient.name}`"
        yield Finding("stack", "warn", patient.why_not.splitlines()[0], deploy)
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
    if patient.account is None:
        return
    session = patient.account.session
    region = session.region_name
    if not region:
        yield Finding(
            "region", "fail", "none is set", f"`pulumi config set aws:region <region> --stack {patient.name}`"
        )
        return
    partition = session.get_partition_for_region(region)
    known = region in session.get_available_regions("lambda", partition_name=partition)
    remedy = "" if known else "boto3 does not know Lambda there: check the spelling"
    yield Finding("region", "ok" if known else "warn", region, remedy)


def check_limits(patient: Patient) -> Iterator[Finding]:
    """What the account allows, against what the program asks for."""
    if patient.account is None:
        return
    settings = patient.account.client("lambda").get_account_settings()
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
    if unzipped < MAX_UNZIPPED_BYTES:
        yield Finding(
            "unzipped size", "fail", f"the account allows {unzipped:,} bytes", "ask AWS: it is normally a fixed value"
        )


def concurrency(patient: Patient, limit: int, unreserved: int) -> Iterator[Finding]:
    """Concurrent executions: the account's, and what reservations and queues ask for."""
    asked = {
        function["name"]: function["reserved_concurrency"]
        for function in patient.functions
        if function["reserved_concurrency"] is not None
    }
    held = reserved_already(patient)
    free = max(unreserved + held - UNRESERVED_CONCURRENCY, 0)
    wanted = sum(asked.values())
    raise_it = f"request more ({QUOTA}), or leave reserved_concurrency out"
    if wanted > free:
        yield Finding(
            "reserved concurrency",
            "fail",
            f"{wanted} requested ({', '.join(sorted(asked))}), {free} available: "
            f"the account has {limit} in all, and AWS keeps {UNRESERVED_CONCURRENCY} unreserved",
            raise_it,
        )
    else:
        yield Finding("reserved concurrency", "ok", f"{wanted} requested, {free} available")
    queues = sum(
        int((as_object(resource["inputs"].get("scalingConfig")) or {}).get("maximumConcurrency") or 0)
        for resource in patient.plan["resources"]
        if resource["type"] == "aws:lambda/eventSourceMapping:EventSourceMapping"
    )
    enough = queues <= limit
    yield Finding(
        "concurrent executions",
        "ok" if enough else "warn",
        f"{limit} in the account, {queues} at most for queues",
        ""
        if enough
        else f"lower maximum_concurrency, or request more ({QUOTA}): executions over the limit are throttled",
    )


def reserved_already(patient: Patient) -> int:
    """What this stack's functions hold now, and may go on holding."""
    if patient.stack is None:
        return 0
    client = patient.stack.client("lambda")
    answers = [
        client.get_function_concurrency(FunctionName=function.name) for function in patient.stack.functions.values()
    ]
    return sum(int(answer.get("ReservedConcurrentExecutions", 0)) for answer in answers)


def check_alarm_quota(patient: Patient) -> Iterator[Finding]:
    """Alarms: those of others in the region, and those that the program declares."""
    if patient.account is None or patient.plan["error"] is not None:
        return
    pages = patient.account.client("cloudwatch").get_paginator("describe_alarms").paginate()
    names = [alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"]]
    others = sum(not name.startswith(f"{PROJECT}-{patient.name}-") for name in names)
    declared = sum(
        resource["type"] == "aws:cloudwatch/metricAlarm:MetricAlarm" for resource in patient.plan["resources"]
    )
    enough = others + declared < NEARLY_FULL * ALARMS
    yield Finding(
        "alarm quota",
        "ok" if enough else "warn",
        f"{declared:,} of this stack and {others:,} others; AWS gives an account {ALARMS:,} in a region",
        "" if enough else f"delete alarms that nobody needs, or request more ({ALARM_QUOTA})",
    )


ACCOUNT: Final[tuple[Check, ...]] = (check_credentials, check_region, check_limits, check_alarm_quota)
