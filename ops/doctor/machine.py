"""Checks of this machine and of the program: tools, settings, layers, sizes, runtimes. Nothing here asks AWS."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from layer_builds.host.interpreters import find_interpreter
from layer_builds.plan import MAX_LAYERS, MAX_UNZIPPED_BYTES, RUNTIMES, LayerBuildError
from ops.doctor.patient import Check, Finding, Patient
from ops.markdown import megabytes
from ops.stack import LOCAL

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHONS = [facts.python for facts in RUNTIMES.values()]
"""The project runs on what it builds for."""
OLDEST_PULUMI = (3, 219)
"""The first with error hooks, which wait for S3: https://www.pulumi.com/docs/iac/concepts/resources/options/hooks/"""
NEARLY_FULL = 0.8
WARN_DAYS = 180
TOOL_TIMEOUT_SECONDS = 30


def check_python(_: Patient) -> Iterator[Finding]:
    """The interpreter that runs the program and the builder."""
    version = ".".join(map(str, sys.version_info[:3]))
    if version.rpartition(".")[0] in PYTHONS:
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "fail", version, f"use Python {PYTHONS[0]} to {PYTHONS[-1]}")


def check_tools(patient: Patient) -> Iterator[Finding]:
    """What a deployment starts."""
    yield tool("uv", "--version", "install uv (https://docs.astral.sh/uv/): `pulumi up` publishes layers with it")
    if patient.name != LOCAL:
        yield pulumi_tool()
    if patient.section("strata:layers").get("builder") == "docker":
        yield tool(
            "docker", "info", "start Docker, or set strata:layers.builder to native", argument="--format={{.ID}}"
        )
    elif any(resource["inputs"].get("packageType") == "Image" for resource in patient.plan["resources"]):
        remedy = "start Docker, which builds container images; not needed where the registry has them"
        found = tool("docker", "info", remedy, argument="--format={{.ID}}")
        yield found if found.state == "ok" else replace(found, state="warn")


def tool(name: str, command: str, remedy: str, *, argument: str | None = None) -> Finding:
    """Whether a program starts and answers."""
    line = answer_of([name, command, *([argument] if argument else [])])
    return (
        Finding(name, "ok", line)
        if line is not None
        else Finding(name, "fail", "not found, or does not answer", remedy)
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
        yield Finding("config and layers", "fail", str(error), "fix what it names; docs/config.md lists every key")
        return
    yield Finding("config and layers", "ok", f"{len(patient.plan['resources'])} resources declared")
    for function in patient.functions:
        size = function["code_bytes"] + sum(layer["unzipped_bytes"] for layer in function["layers"])
        share = size / MAX_UNZIPPED_BYTES
        state = "ok" if share < NEARLY_FULL else "warn" if size <= MAX_UNZIPPED_BYTES else "fail"
        remedy = "" if state == "ok" else "`python -m layer_builds report` shows what fills the layers"
        layers = f"{len(function['layers'])} of {MAX_LAYERS} layers"
        found = f"{layers}, {megabytes(size)} unzipped, {share:.0%} of the limit"
        yield Finding(f"size of {function['name']}", state, found, remedy)


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
    if patient.section("strata:layers").get("compiler") == "running":
        return Finding(f"compiler for {target}", "ok", "the running Python")
    if patient.section("strata:layers").get("builder") == "docker":
        return Finding(f"compiler for {target}", "ok", "the build image's")
    try:
        return Finding(f"compiler for {target}", "ok", str(find_interpreter(version)))
    except LayerBuildError as error:
        remedy = f"`uv python install {version}`; not needed where the bucket holds the layer"
        return Finding(f"compiler for {target}", "warn", str(error), remedy)


MACHINE: Final[tuple[Check, ...]] = (check_python, check_tools, check_program, check_runtimes)
