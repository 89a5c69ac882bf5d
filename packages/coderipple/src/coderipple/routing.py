"""Which agents a push needs, and why: decided from paths alone, so no text of anyone's has a say in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coderipple.changes import is_own
from coderipple.documents import DECISIONS, is_documentation, path_problem
from lambdas.orchestrator.contract import HISTORY_PATH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from coderipple.changes import Change, ChangeSet

DEPENDENCIES: Final = re.compile(
    r"(pyproject\.toml|setup\.(py|cfg)|pipfile|requirements.*\.(txt|in)|package\.json|go\.mod|cargo\.toml|pom\.xml|gemfile"
    r"|build\.gradle(\.kts)?|composer\.json|.*\.csproj|mix\.exs)",
    re.IGNORECASE,
)
"""Files in which a project says what it needs."""
INTERFACES: Final = re.compile(
    r"(.*\.(proto|graphql|gql|thrift|avsc|wsdl)|(openapi|swagger).*\.(ya?ml|json)|.*\.(d\.ts|pyi|h|hpp)|__init__\.py)",
    re.IGNORECASE,
)
"""Files in which it says what it offers."""
UNSEEN: Final = re.compile(
    r"(.*/)?(tests?|testing|spec|specs|__tests__|fixtures|benchmarks?|ci|\.github|\.circleci|\.gitlab|scripts)/.*"
    r"|.*(\.lock|-lock\.(json|yaml)|lock\.yaml|\.sum)|(.*/)?(test_[^/]*|[^/]*(_test|\.test|\.spec)\.[^/]*)|(.*/)?\.[^/]*",
    re.IGNORECASE,
)
"""What nobody who uses the project sees."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An agent, and why it is to run."""

    agent: str
    why: str


def choose_agents(changes: ChangeSet, enabled: Sequence[str], doc_paths: Sequence[str]) -> list[Chosen]:
    """Return the agents for a push, in the order in which their documents are taken.

    Args:
        changes: of the push.
        enabled: the agents that config allows.
        doc_paths: where documents may be written.
    """
    code = [change for change in changes.changes if not _documents(change, doc_paths)]
    if changes.complete and not code and changes.commits and all(map(is_own, changes.commits)):
        return []
    seen = [change for change in code if not UNSEEN.fullmatch(change.path)]
    reasons = {
        "tourist_guide": _shown("what a user sees may have changed", seen),
        "building_inspector": _shown("source or configuration changed", code),
        "historian": _decision(changes.changes, code) if path_problem(HISTORY_PATH, doc_paths, ()) is None else "",
    }
    if not changes.complete:
        reasons["building_inspector"] = "more changed than GitHub lists"
    return [Chosen(agent, why) for agent, why in reasons.items() if why and agent in enabled]


def _documents(change: Change, doc_paths: Sequence[str]) -> bool:
    return all(is_documentation(path, doc_paths) for path in (change.path, change.previous) if path)


def _decision(changes: Sequence[Change], code: Sequence[Change]) -> str:
    """Why the historian has something to write down; empty when nothing was decided."""
    names = [(change, change.path.rpartition("/")[2]) for change in changes]
    kinds = {
        "a decision was recorded": [change for change, _ in names if DECISIONS.fullmatch(change.path)],
        "dependencies changed": [change for change, name in names if DEPENDENCIES.fullmatch(name)],
        "an interface changed": [change for change, name in names if INTERFACES.fullmatch(name)],
        "something was removed": [change for change in code if change.status == "removed"],
    }
    return "; ".join(filter(None, (_shown(why, found) for why, found in kinds.items())))


def _shown(why: str, changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    more = f" and {len(changes) - 1} more" if len(changes) > 1 else ""
    return f"{why} ({changes[0].path}{more})"
