"""What an audit found, for people and for programs; the asking is `audit.py`'s."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from layer_builds.ship.pins import describe

if TYPE_CHECKING:
    from layer_builds.ship.audit import Audit, Finding


def text(result: Audit) -> str:
    """The account for people: what, since which version it is fixed, where it is pinned, and the remedy."""
    lines: list[str] = []
    for finding in result.findings:
        lines += [*_about(finding), ""]
    for status in result.statuses:
        lines += [f"{status.package} is {status.status} on its index{f' ({status.reason})' if status.reason else ''}"]
        lines += [*(f"  pinned by {where}" for where in describe(status.places)), ""]
    if any(finding.fixed for finding in result.findings):
        lines += [
            "An upgrade that leaves it where it is meets a bound: in requirements.in, or in what requires it.",
            "",
        ]
    lines += [
        f"accepted until {exception.until}: {finding.advisory} of {finding.package} {finding.version}, pinned by "
        f"{'; '.join(describe(finding.places))}: {exception.reason}"
        for finding, exception in result.accepted
    ]
    count = len(result.findings)
    known = f"{count or 'no'} known {'vulnerability' if count == 1 else 'vulnerabilities'}"
    lines += [*result.remarks]
    lines += [f"{result.packages} pinned versions in {result.locks} locks: {known}, says {result.service}"]
    return "\n".join(lines)


def document(result: Audit) -> dict[str, Any]:
    """The same for programs."""
    return {
        **asdict(result),
        "accepted": [
            {**asdict(finding), "reason": exception.reason, "until": exception.until.isoformat()}
            for finding, exception in result.accepted
        ],
    }


def _about(finding: Finding) -> list[str]:
    also = f" ({', '.join(finding.aliases)})" if finding.aliases else ""
    lines = [
        f"{finding.package} {finding.version}: {finding.advisory}{also}",
        f"  {finding.summary}",
        f"  {finding.link}",
        *(f"  pinned by {where}" for where in describe(finding.places)),
    ]
    if finding.fixed:
        return [*lines, f"  fixed in {', '.join(finding.fixed)}: run `make upgrade PACKAGE={finding.package}`"]
    return [
        *lines,
        "  no version is rid of it yet: do without the package, or, when it cannot reach you,",
        "  accept it for a while in layer_builds/audit.toml",
    ]
