"""What a message asks for: whether anything has to be documented, by which agents and why, and what came of it.

Owns the decisions before a run, and the result after it. The run itself is `run.py`'s.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coderipple import telemetry
from coderipple.changes import find_changes
from coderipple.errors import GoneError
from coderipple.github_auth import credentials_for
from coderipple.github_client import GitHubClient
from coderipple.repository import RepositoryWriter
from coderipple.routing import choose_agents
from coderipple.run import Run
from coderipple.runs import count_run
from coderipple.webhook_parser import BRANCH, OWN_BRANCHES, is_documented
from lambdas.orchestrator.contract import ARCHITECTURE
from lambdas.shared.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from coderipple.changes import ChangeSet
    from coderipple.publisher import Published
    from coderipple.routing import Chosen
    from coderipple.services import Services
    from coderipple.webhook_parser import WebhookEvent
    from lambdas.orchestrator.contract import Message


def process_webhook(webhook: WebhookEvent, context: LambdaContext, services: Services) -> dict[str, Any]:
    """Do what a webhook asks for, and wait for it.

    Args:
        webhook: a push or a pull request.
        context: of the invocation.
        services: configuration, secrets, clients.

    Returns:
        The run's result.

    Raises:
        PayloadError: it is not one that can be worked on.
        CodeRippleError: the run failed.
    """
    if reason := webhook.ignored(services.config):
        return _result(time.monotonic(), "ignored", reason)
    return document(webhook.message(), context, services)


def document(message: Message, context: LambdaContext, services: Services, delivered: int = 1) -> dict[str, Any]:
    """Document what a message is about.

    Args:
        message: of the queue.
        context: of the invocation.
        services: configuration, secrets, clients.
        delivered: how often the message was delivered, this time included.

    Returns:
        The run's result: small, and without any text of an agent's.

    Raises:
        RetryLaterError: the message is to be delivered again.
        ConfigurationError: somebody has to set something right first.
        RefusedError: GitHub does not let it be done.
    """
    started, deadline, config = time.monotonic(), Deadline.of(context), services.config
    if message["repository"].lower() not in config.repositories:
        return _result(started, "ignored", "repository")
    credentials = credentials_for(config, services.secrets, message["repository"], message.get("installation"))
    with GitHubClient(config.github_api_url, credentials, deadline) as client:
        writer = RepositoryWriter(client, message["repository"])
        try:
            plan = _plan(message, writer, services)
            if plan.changes is None:
                return _result(started, plan.outcome, plan.why_not)
            chosen = plan.chosen
            run = Run(
                message,
                context,
                services,
                changes=plan.changes,
                writer=writer,
                credentials=credentials,
                deadline=deadline,
            )
            published = run.publish(chosen, delivered)
        except GoneError as error:
            return _result(started, "gone", str(error))
    return _reported(started, run, published, chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The agents and what they are told of; or the outcome and the reason for which none runs."""

    chosen: Sequence[Chosen] = ()
    changes: ChangeSet | None = None
    outcome: str = "ignored"
    why_not: str = ""


def _plan(message: Message, writer: RepositoryWriter, services: Services) -> _Plan:
    config, branch = services.config, message["ref"].removeprefix(BRANCH)
    if not message["after"].strip("0"):
        return _Plan(why_not="branch deleted")
    if branch.startswith(OWN_BRANCHES):
        return _Plan(why_not="own branch")
    if message["event"] == "push" and not is_documented(branch, writer.default_branch(), config):
        return _Plan(why_not="branch")
    changes = find_changes(writer, message)
    chosen = choose_agents(changes, config.agents, config.doc_paths)
    if not chosen:
        return _Plan(why_not="nothing to document")
    push = f"{message['ref']}@{message['after']}"
    if not count_run(services.tables, config, message["repository"], push):
        telemetry.count({"RunsOverLimit": 1})
        why = f"the repository has had its {config.daily_runs} runs of today (UTC)"
        return _Plan(outcome="over_limit", why_not=why)
    return _Plan(chosen=chosen, changes=changes)


def _reported(started: float, run: Run, published: Published, chosen: Sequence[Chosen]) -> dict[str, Any]:
    """The run's result; its documents are counted."""
    results = run.results
    committed = [verdict for verdict in published.verdicts if verdict.status == "committed"]
    updated = published.outcome in ("committed", "pull_request", "already")
    telemetry.count(
        {
            "RunsDone": 1,
            "DocumentsCommitted": len(committed) if updated else 0,
            "DocumentsRefused": len(published.verdicts) - len(committed),
            "AgentsFailed": sum(result.failed for result in results),
        }
    )
    why = {one.agent: one.why for one in chosen}
    return {
        **_result(started, published.outcome, ""),
        "documentation_updated": updated,
        "reference": published.reference,
        "agents_invoked": [result.agent for result in results],
        "agents": [
            {
                "agent": result.agent,
                "why": why.get(result.agent, ""),
                "outcome": result.outcome,
                "forbidden_paths": len(result.refused),
            }
            for result in results
        ],
        "documents": [
            {
                "path": verdict.path,
                "agent": verdict.agent,
                "status": verdict.status,
                "score": verdict.score,
                "reasons": list(verdict.reasons),
            }
            for verdict in published.verdicts
        ],
        "tokens": dict(zip(("input", "output"), run.tokens, strict=True)),
        "ai_powered": bool(results),
    }


def _result(started: float, outcome: str, reason: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "reason": reason,
        "agents_invoked": [],
        "documentation_updated": False,
        "processing_time": round(time.monotonic() - started, 3),
        "ai_powered": False,
        "architecture": ARCHITECTURE,
    }
