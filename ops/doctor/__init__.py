"""Whether a stack can be deployed and looked after from here, and whether what is live is sound.

Every check is tried, whatever the others found, and says what to do. It changes nothing and reads no secret.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import explain
from ops.doctor.account import ACCOUNT
from ops.doctor.artifacts import ARTIFACTS
from ops.doctor.live import LIVE
from ops.doctor.machine import MACHINE
from ops.doctor.patient import Finding, Patient
from ops.errors import OpsError, UsageError
from ops.load_stack import ROOT, load_stack, session_for
from ops.mock_plan import make_plan
from ops.report import Report, Table
from ops.stack import LOCAL, Stack
from ops.stack_file import no_config, read_config, stack_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ops.doctor.patient import Check

ATTEMPTS = 2
"""Of each call to AWS: an account that cannot be reached is a finding, not something to wait for."""


def doctor(
    name: str,
    *,
    config_file: Path | None = None,
    offline: bool = False,
    only: Sequence[str] = (),
    root: Path = ROOT,
) -> Report:
    """Try every check on one stack.

    Args:
        offline: leave out the checks that ask AWS.
        only: names of the checks to try, as `name_of` has them; none tries all.

    Raises:
        UsageError: there is no such stack, or no such check.
    """
    known: tuple[Check, ...] = MACHINE if offline else (*MACHINE, *ACCOUNT, *LIVE, *ARTIFACTS)
    names = {name_of(check): check for check in known}
    if unknown := sorted(set(only) - names.keys()):
        raise UsageError(f"there is no check {', '.join(unknown)}; there are: {', '.join(sorted(names))}")
    patient = admit(name, config_file=config_file, offline=offline, root=root)
    checks = [names[wanted] for wanted in only] or known
    findings = [finding for check in checks for finding in attempt(check, patient)]
    failed = sum(finding.state == "fail" for finding in findings)
    rows = [[finding.state, finding.check, finding.found, finding.remedy] for finding in findings]
    return Report(
        ok=not failed,
        data={
            "stack": name,
            "checks": [asdict(finding) for finding in findings],
        },
        tables=[Table(title=f"doctor {name}", columns=["", "check", "found", "what to do"], rows=rows)],
        notes=[f"{failed} failed" if failed else "nothing stands in the way of a deployment"],
    )


def admit(name: str, *, config_file: Path | None, offline: bool, root: Path) -> Patient:
    """Gather what there is of a stack; of what may be missing, only its config file stops the others."""
    file = config_file or stack_file(name, root)
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
        patient.account = patient.stack = replace(stack, attempts=ATTEMPTS)
    elif name != LOCAL:
        patient.account = Stack(name=name, outputs={}, session=session_for(config), attempts=ATTEMPTS)
    return patient


def name_of(check: Check) -> str:
    """`check_live_versions` → `live-versions`."""
    return check.__name__.removeprefix("check_").replace("_", "-")


def attempt(check: Check, patient: Patient) -> list[Finding]:
    """One check; what stops it is its finding."""
    title = name_of(check).replace("-", " ")
    try:
        return list(check(patient))
    except OpsError as error:
        return [Finding(title, "fail", str(error))]
    except (BotoCoreError, ClientError) as error:
        found, remedy = explain(error) or (str(error), "")
        if isinstance(error, BotoCoreError):
            return [Finding(title, "fail", found, remedy)]
        return [Finding(title, "warn", f"could not be checked: {found}", remedy or "allow it, if it matters")]
