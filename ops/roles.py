"""`roles`: what each role of a checkout's program may do, as a page, without a backend or credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.mock_plan import make_plan
from ops.report import Report, Table, write_file
from ops.values import as_list

if TYPE_CHECKING:
    from collections.abc import Iterable

POLICY = "aws:iam/rolePolicy:RolePolicy"
COLUMNS = ("statement", "may", "on", "if")
PAGE = """# What each function may do

<!-- Written by `python -m ops roles --stack {stack} --output docs/roles.md`; a test compares. -->

Every statement of every role of the stack `{stack}`, from the program. No action has a `*`, and a resource is `*` only
where AWS knows no other; `tests/ops/test_rights.py` holds them against AWS's own reference. `python -m sandbox roles`
shows every system on the local cloud and compares what its role was asked for: nothing more is granted than is used,
and without any one statement the calls that it is for are refused.
"""


def write_page(stack: str, output: Path | None) -> Report:
    """The statements of a stack's roles; as a page where a file is named.

    Raises:
        OpsError: the program refused to run.
    """
    plan = make_plan(Path(), stack)
    if plan["error"] is not None:
        raise OpsError(str(plan["error"]))
    roles = statements_by_role(plan["resources"])
    if output is not None:
        write_file("--output", output, page(stack, roles))
    tables = [
        Table(title=role, columns=list(COLUMNS), rows=[row(each, "\n") for each in statements])
        for role, statements in roles.items()
    ]
    return Report(data={"roles": roles}, tables=tables, notes=[f"written: {output}"] if output is not None else [])


def statements_by_role(resources: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Role → the statements of all its policies."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in resources:
        if resource["type"] == POLICY:
            role = str(resource["inputs"]["role"]).removesuffix("-role-id")
            found.setdefault(role, []).extend(json.loads(resource["inputs"]["policy"])["Statement"])
    return dict(sorted(found.items()))


def page(stack: str, roles: dict[str, list[dict[str, Any]]]) -> str:
    """The page, as Markdown."""
    parts = [PAGE.format(stack=stack)]
    for role, statements in roles.items():
        parts.append(f"## {role}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        parts[-1] += "".join(f"\n| {' | '.join(row(each, '<br>', '`'))} |" for each in statements) + "\n"
    return "\n".join(parts)


def row(statement: dict[str, Any], separator: str, quote: str = "") -> list[str]:
    """What is shown of a statement: its name, actions, resources, conditions."""
    conditions = [
        f"{key} is {' or '.join(map(str, as_list(value) or [value]))}"
        for keys in statement.get("Condition", {}).values()
        for key, value in keys.items()
    ]
    cells = [
        [statement["Sid"]],
        _texts(statement["Action"]),
        [short(each) for each in _texts(statement["Resource"])],
        conditions,
    ]
    return [separator.join(f"{quote}{each}{quote}" for each in cell) for cell in cells]


def short(arn: str) -> str:
    """An ARN without partition, region and account: `sqs:queue/embedding-queue`."""
    parts = arn.split(":", 5)
    return f"{parts[2]}:{parts[5]}" if len(parts) == 6 else arn  # noqa: PLR2004 - the parts of an ARN


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in as_list(value) or ()]
