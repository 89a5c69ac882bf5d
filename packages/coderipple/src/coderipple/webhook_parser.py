"""A webhook's payload: which event it is of, what it names, and whether there is anything to do.

Owns the shapes of github.com and of GitHub Enterprise Server. Nothing of a payload is followed: no address in it is
ever fetched, and texts in it (messages, titles, names) are not read at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from coderipple.errors import PayloadError
from coderipple.texts import is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coderipple.config import Config
    from lambdas.orchestrator.contract import Message

BRANCH = "refs/heads/"
OWN_BRANCHES = "coderipple/"
"""Branches that CodeRipple makes: nothing on them is documented."""
PULL_REQUEST_ACTIONS = frozenset({"opened", "synchronize", "reopened"})
_SHA = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REPOSITORY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98})/[A-Za-z0-9._-]{1,100}")
_DELIVERY = re.compile(r"[A-Za-z0-9-]{1,64}")
_MAX_REF = 1_024
_MAX_ID = 2**63


class WebhookEvent:
    """One webhook."""

    def __init__(self, payload: Mapping[str, Any], *, kind: str | None = None, delivery: str = "") -> None:
        """Look at a payload; what it lacks is said when it is asked for.

        Args:
            payload: the JSON object.
            kind: of `X-GitHub-Event`; without it, what the payload looks like.
            delivery: `X-GitHub-Delivery`.
        """
        self._payload = payload
        self.kind = kind or _kind_of(payload)
        self.delivery = delivery

    @property
    def full_name(self) -> str:
        """owner/name.

        Raises:
            PayloadError: the payload names no repository.
        """
        repository = self._repository
        name = repository.get("full_name")
        if not isinstance(name, str):  # old pushes of Enterprise Server
            owner = _object(repository, "owner")
            name = f"{owner.get('login') or owner.get('name') or ''}/{repository.get('name') or ''}"
        if not _REPOSITORY.fullmatch(name) or name.endswith(("/.", "/..")):
            raise PayloadError("repository.full_name is not owner/name")
        return name

    @property
    def repository_name(self) -> str:
        """The name without its owner."""
        return self.full_name.partition("/")[2]

    @property
    def action(self) -> str:
        """Of a pull request; empty for a push."""
        return str(self._payload.get("action") or "") if self.kind == "pull_request" else ""

    def ignored(self, config: Config) -> str | None:
        """Why there is nothing to do; None when there may be.

        Args:
            config: repositories and branches that are documented.

        Raises:
            PayloadError: the payload is not one of its event.
        """
        if self.kind == "ping":
            return "ping"
        if self.kind not in ("push", "pull_request"):
            return "event"
        if self.full_name.lower() not in config.repositories:
            return "repository"
        return self._push_ignored(config) if self.kind == "push" else self._pull_request_ignored()

    def message(self) -> Message:
        """What is queued.

        Raises:
            PayloadError: the payload lacks a part of it, or has a part that is not well formed.
        """
        if self.kind not in ("push", "pull_request"):
            raise PayloadError("there is no event in the body that has anything to queue")
        ref, before, after = self._push_range() if self.kind == "push" else self._pull_request_range()
        installation = _object(self._payload, "installation").get("id")
        message: dict[str, Any] = {
            "delivery": self.delivery or f"direct-{after}",
            "event": self.kind,
            "action": self.action,
            "repository": self.full_name,
            "ref": ref,
            "before": before,
            "after": after,
        }
        return read_message({**message, "installation": installation} if installation is not None else message)

    @property
    def _repository(self) -> dict[str, Any]:
        return _object(self._payload, "repository")

    @property
    def _pull_request(self) -> dict[str, Any]:
        return _object(self._payload, "pull_request")

    def _push_ignored(self, config: Config) -> str | None:
        ref, _, after = self._push_range()
        if not ref.startswith(BRANCH):
            return "tag"
        if not after.strip("0"):
            return "branch deleted"
        default = self._repository.get("default_branch") or self._repository.get("master_branch")
        return None if is_documented(ref.removeprefix(BRANCH), default, config) else "branch"

    def _pull_request_ignored(self) -> str | None:
        if self.action not in PULL_REQUEST_ACTIONS:
            return "action"
        head, base = (_object(self._pull_request, side) for side in ("head", "base"))
        repositories = [_object(side, "repo") for side in (head, base)]
        ids = [repository.get("id") for repository in repositories]
        if ids[0] is None or ids[0] != ids[1] or ids[1] != self._repository.get("id"):
            return "fork"
        return "own branch" if str(head.get("ref") or "").startswith(OWN_BRANCHES) else None

    def _push_range(self) -> tuple[str, str, str]:
        return _text(self._payload, "ref"), _text(self._payload, "before"), _text(self._payload, "after")

    def _pull_request_range(self) -> tuple[str, str, str]:
        head, base = (_object(self._pull_request, side) for side in ("head", "base"))
        after = _text(head, "sha")
        before = self._payload.get("before") if self.action == "synchronize" else None
        return BRANCH + _text(head, "ref"), str(before or _text(base, "sha")), after


def is_documented(branch: str, default: object, config: Config) -> bool:
    """Whether pushes to a branch are documented: to the default one, and to those that config names."""
    if branch.startswith(OWN_BRANCHES):
        return False
    return branch == default or branch in config.branches


def read_message(value: Mapping[str, Any]) -> Message:
    """Check a message of the queue, or a synchronous request of the same shape.

    Raises:
        PayloadError: names the part that is wrong, and the rule.
    """
    checks: dict[str, tuple[Callable[[str], object], str]] = {
        "delivery": (_DELIVERY.fullmatch, "letters, digits and -, 64 at most"),
        "event": (lambda text: text in ("push", "pull_request"), "push or pull_request"),
        "action": (lambda text: not text or text in PULL_REQUEST_ACTIONS, "of a pull request, or empty"),
        "repository": (_REPOSITORY.fullmatch, "owner/name"),
        "ref": (_is_ref, "refs/heads/…"),
        "before": (_SHA.fullmatch, "a commit"),
        "after": (_SHA.fullmatch, "a commit"),
    }
    for name, (holds, rule) in checks.items():
        part = value.get(name, "" if name == "action" else None)
        if not isinstance(part, str) or not is_whole(part) or not holds(part):
            raise PayloadError(f"{name} is not {rule}")
    message = {name: value.get(name, "") for name in checks}
    installation = value.get("installation")
    if installation is not None:
        if not isinstance(installation, int) or isinstance(installation, bool) or not 1 <= installation < _MAX_ID:
            raise PayloadError("installation is not a number")
        message["installation"] = installation
    return cast("Message", message)


def _is_ref(ref: str) -> bool:
    """A branch's name as git allows it: https://git-scm.com/docs/git-check-ref-format."""
    parts = ref.removeprefix(BRANCH).split("/")
    return (
        ref.startswith(BRANCH)
        and len(ref) <= _MAX_REF
        and not re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{", ref)
        and not ref.endswith(".")
        and all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
    )


def _kind_of(payload: Mapping[str, Any]) -> str:
    if "pull_request" in payload:
        return "pull_request"
    if "after" in payload and "ref" in payload:
        return "push"
    return "ping" if "zen" in payload else ""


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if not isinstance(text, str) or not text:
        raise PayloadError(f"{name} is missing")
    return text


def _object(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}
