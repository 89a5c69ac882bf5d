"""docs/chaos.md from the systems' parts: `python -m sandbox.chaos.page`; `--check` compares.

Owns the page's form. What a fault or a protection is, is said where it is declared.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from layer_builds.plan import REPOSITORY
from sandbox.chaos import LAMBDA, chaos, systems

if TYPE_CHECKING:
    from sandbox.chaos import Chaos

PAGE: Final = REPOSITORY / "docs" / "chaos.md"
INTRODUCTION: Final = """# Chaos

<!-- Written by `python -m sandbox.chaos.page`; a test compares. Change sandbox/demos/<system>/chaos.py instead. -->

`make chaos` runs every system in one local cloud while faults happen to it: functions are killed, services are down
or answer nonsense, keys change, events come twice. In the end each input has exactly its effect, or is in a
dead-letter queue with its reason. `make chaos SYSTEM=<system>` tries one, `ARGS="--seed 7 --runs 3"` another
plan, three times.

A seed is a plan: which fault at which request of which service, so the same plan does the same on a slow machine. A
run in which a fault of the plan did not happen, or in which no old key was refused, proves nothing and fails.

| a verdict counts | |
|---|---|
| lost | an input with neither its effect nor a dead letter, or with the effect of an older version of it |
| doubled | a second effect, or one of nobody's |
| wrong | an effect that is not what it should be |
| unexplained | a dead letter without a reason |

## Controls

`make chaos ARGS=--control` takes one protection at a time away from the deployed stack and runs the same plan. The
check has to report what that protection keeps, and nothing else; then it is known to see. Controls run side by
side, but never two of one system, and never a system's beside one of its neighbours'.

"""
LEASES: Final = """
## What is shortened

A failed message is back after a second, an event is tried again after 0.5 and 1 second
([sandbox](../sandbox/README.md)). In AWS a message stays hidden for longer than a run may take, so the lease of a
run that was killed has ended when it comes back. Here the lease of a run whose process is gone ends at once
(`sandbox/chaos/leases.py`), which it would otherwise hold for as long as a run may take. A lease ends only when
every process that was at work when it was first seen has ended that work, and only if nobody has changed it since.

## Faults

How many of each happen to a hundred requests; at least one in every plan.
"""


def page() -> str:
    """Return the whole page."""
    parts = {name: chaos(name) for name in systems()}
    rows = ["| system | without this | the check reports |", "|---|---|---|"]
    rows += [
        f"| {name} | {control.removed} | {control.seen} |" for name, part in parts.items() for control in part.controls
    ]
    return "\n".join([INTRODUCTION + "\n".join(rows), LEASES, *(_faults(name, part) for name, part in parts.items())])


def _faults(name: str, part: Chaos) -> str:
    rows = ["| at | fault | in 100 |", "|---|---|---:|"]
    for kind in part.kinds:
        where = "its invocations" if kind.service == LAMBDA else kind.service
        rows.append(f"| {where} | {kind.meaning} | {kind.per_hundred:g} |")
    return f"### {name}\n\n{part.messages} inputs.\n\n" + "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or compare it."""
    if "--check" not in arguments:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.relative_to(REPOSITORY)} is not of today: run `python -m sandbox.chaos.page`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
