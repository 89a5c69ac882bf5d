"""GitHub's own published payloads, of github.com and of Enterprise Server: each is understood, none is guessed at."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any

from lambdas.orchestrator import contract
from tests.coderipple_examples import examples
from tests.lambdas.orchestrator.test_webhooks import queued, said

if TYPE_CHECKING:
    import pytest

    from tests.lambdas.orchestrator.conftest import World

REASONS = {"ping", "tag", "branch deleted", "branch", "action", "fork", "own branch", "repository"}


def test_every_example_is_queued_or_ignored_with_its_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(contract.SOURCE_REPO, "Codertocat/Hello-World,Octocoders/Hello-World")
    found = examples("ping", "push", "pull_request")
    outcomes: collections.Counter[str] = collections.Counter()
    for server, kind, payload in found:
        status, body = said(world.send(world.webhook(payload, kind, delivery="d")))
        assert status == 202, (server, kind, body)
        outcomes[str(body.get("reason") or body["message"])] += 1
        if body["message"] == "ignored":
            assert body["reason"] in REASONS
            continue
        (message,) = queued(world)
        side: dict[str, Any] = payload.get("pull_request", {}).get("head", {})
        assert message["after"] == (side.get("sha") or payload["after"])
        assert message["repository"] == payload["repository"]["full_name"]
        assert message["action"] == (payload.get("action") or "")
        assert message.get("installation") == (payload.get("installation") or {}).get("id")
        world.account.client("sqs").purge_queue(QueueUrl=world.queue_url)
    assert outcomes["queued"] >= 8, outcomes
    assert {"ping", "tag", "action"} <= outcomes.keys(), outcomes


def test_every_example_cut_anywhere_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _, kind, payload in examples("push")[:2]:
        event = world.webhook(payload, kind)
        text = event["body"]
        for end in range(0, len(text), max(1, len(text) // 10)):
            assert world.send({**event, "body": text[:end]})["statusCode"] == 401
            signed = world.webhook({}, kind, body=text[:end] or " ")
            assert world.send(signed)["statusCode"] == 400
    assert queued(world) == []


def test_every_other_event_of_githubs_is_ignored(world: World) -> None:
    kinds = ("release", "star", "installation", "fork")
    for _, kind, payload in examples(*kinds):
        assert said(world.send(world.webhook(payload, kind))) == (202, {"message": "ignored", "reason": "event"})
        assert json.dumps(payload)
