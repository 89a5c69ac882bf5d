"""Webhooks as GitHub sends them, and as others do: what is refused, what is ignored, what is queued."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from coderipple.config import get_config
from coderipple.errors import PayloadError
from coderipple.services import Services
from coderipple.signature import is_signed, signature
from coderipple.webhook_parser import WebhookEvent, read_message
from lambdas.orchestrator import contract
from lambdas.shared import rotation
from tests.lambdas.events import http_event
from tests.lambdas.orchestrator.conftest import REPO, SECRET, World

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B, ZERO = "a" * 40, "b" * 40, "0" * 40


def push(**changes: Any) -> dict[str, Any]:
    """A push's payload, as far as it matters."""
    repository = {"id": 1, "name": "kettle", "full_name": REPO, "default_branch": "main", "owner": {"login": "acme"}}
    started = {"ref": "refs/heads/main", "before": A, "after": B, "repository": repository, "commits": []}
    return {**started, **changes}


def pull_request(action: str = "opened", *, head: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    base = {"ref": "main", "sha": A, "repo": {"id": 1}}
    started = {"action": action, "number": 7, "repository": push()["repository"]}
    sides = {"head": {"ref": "feature", "sha": B, "repo": {"id": 1}, **(head or {})}, "base": base}
    return {**started, "pull_request": sides, **changes}


def queued(world: World) -> list[dict[str, Any]]:
    answer = world.account.client("sqs").receive_message(QueueUrl=world.queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def said(answer: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    return answer["statusCode"], json.loads(answer["body"])


def test_a_signed_push_is_queued_and_answered_at_once(world: World) -> None:
    answer = world.send(world.webhook(push(installation={"id": 9}), delivery="d-1"))
    assert said(answer) == (202, {"message": "queued", "repository": "kettle", "delivery": "d-1"})
    assert not any("access-control" in name.lower() for name in answer["headers"])
    assert queued(world) == [
        {
            "delivery": "d-1",
            "event": "push",
            "action": "",
            "repository": REPO,
            "ref": "refs/heads/main",
            "before": A,
            "after": B,
            "installation": 9,
        }
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "another"},
        {"headers": {"x-hub-signature-256": ""}},
        {"headers": {"x-hub-signature-256": "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"}},
        {"headers": {"x-hub-signature-256": "sha256="}},
        {"headers": {"x-hub-signature-256": "sha256=" + "é" * 64}},
        {"headers": {"x-hub-signature-256": "sha256=" + "0" * 64}},
    ],
)
def test_a_body_without_its_signature_is_not_looked_at(world: World, change: dict[str, Any]) -> None:
    for body in (None, "{", "\ud800"):
        event = world.webhook(push())
        event = world.webhook(push(), **change) if body is None else {**world.webhook(push(), **change), "body": body}
        assert said(world.send(event)) == (401, {"message": "the signature does not match"})
    assert queued(world) == []


def test_a_body_that_was_changed_or_cut_is_refused(world: World) -> None:
    event = world.webhook(push())
    for body in (event["body"][:-1], event["body"] + " ", event["body"].replace(B, A), "", None):
        assert world.send({**event, "body": body})["statusCode"] == 401
    assert queued(world) == []


def test_base64_and_form_bodies_are_signed_as_they_were_sent(world: World) -> None:
    text = json.dumps(push())
    plain = world.webhook(push(), body=text)
    binary = {**plain, "body": base64.b64encode(text.encode()).decode(), "isBase64Encoded": True}
    form = world.webhook(
        push(),
        body=f"payload={quote_plus(text)}",
        headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"},
    )
    for event in (plain, binary, form):
        assert world.send(event)["statusCode"] == 202
    assert world.send({**binary, "body": "no base64!"})["statusCode"] == 400
    assert len(queued(world)) == 3


def of_rest_api(world: World, **changes: Any) -> dict[str, Any]:
    """A webhook as payload version 1.0 has it: several values of a header, and the last one."""
    event = world.webhook(push())
    started = {"httpMethod": "POST", "path": "/webhook", "body": event["body"], "isBase64Encoded": False}
    several = {name.title(): ["first", value] for name, value in event["headers"].items()}
    last = {name.title(): value for name, value in event["headers"].items()}
    context = {"requestContext": {"stage": "$default"}, "headers": last, "multiValueHeaders": several}
    return {**started, **context, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"path": "/prod/webhook", "requestContext": {"stage": "prod"}},
        {"headers": None},
        {"multiValueHeaders": None},
        {"headers": None, "requestContext": {"elb": {"targetGroupArn": "arn"}}},
    ],
)
def test_a_request_is_understood_in_each_of_its_forms(world: World, changes: dict[str, Any]) -> None:
    assert world.send(of_rest_api(world, **changes))["statusCode"] == 202
    assert len(queued(world)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"body": {"a": 1}},
        {"body": 5},
        {"requestContext": "x"},
        {"requestContext": {"http": "x"}},
        {"headers": "x"},
        {"headers": ["x"]},
        {"multiValueHeaders": "x"},
    ],
)
def test_an_event_of_another_shape_is_refused_and_no_crash(world: World, changes: dict[str, Any]) -> None:
    assert world.send(of_rest_api(world, **changes))["statusCode"] == 400
    assert queued(world) == []


@pytest.mark.parametrize("event", [{"body": [1]}, {"body": 5}, {"body": None}, [1], {"Records": None}, {"Records": {}}])
def test_a_direct_call_of_another_shape_is_refused_and_no_crash(world: World, event: Any) -> None:
    assert world.send(event)["statusCode"] == 400


@pytest.mark.parametrize("body", [f"payload=%7B%7D{'&a=1' * 9}", "payload=%ff%fe", "x=1", "payload=", "&&&&"])
def test_a_form_that_is_not_githubs_is_refused(world: World, body: str) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert world.send(world.webhook({}, body=body, headers=form))["statusCode"] == 400


def test_a_push_without_anything_that_may_be_null_is_queued(world: World) -> None:
    nothing = dict.fromkeys(("commits", "head_commit", "pusher", "sender", "installation", "organization", "base_ref"))
    assert world.send(world.webhook(push(**nothing)))["statusCode"] == 202


@pytest.mark.parametrize("branch", ["a./b", "release/2026.1", "ü/😀", "x'y\"z", "#1", "a%2Fb", "-x", "@"])
def test_every_branch_that_git_allows_is_queued(world: World, branch: str) -> None:
    payload = push(ref=f"refs/heads/{branch}", repository={**push()["repository"], "default_branch": branch})
    assert world.send(world.webhook(payload))["statusCode"] == 202
    assert queued(world)[0]["ref"] == f"refs/heads/{branch}"


@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("[]", 400), ("NaN", 400), ('"x"', 400), ("[" * 100_000, 400), ("{}", 202)]
)
def test_a_signed_body_that_is_no_payload_is_refused(world: World, body: str, status: int) -> None:
    assert world.send(world.webhook({}, kind="ping" if status == 202 else "push", body=body))["statusCode"] == status


@pytest.mark.parametrize(
    "payload",
    [
        push(after=None),
        push(after="b" * 39),
        push(after="../" + "b" * 37),
        push(ref="refs/heads/a b"),
        push(ref="refs/heads/../../x"),
        push(ref=7),
        push(repository={}),
        push(repository={"full_name": "../.."}),
        push(installation={"id": "9"}),
        push(installation={"id": True}),
        push(installation={"id": 10**400}),
        push(repository={"full_name": {}, "owner": None, "name": []}),
        push(
            ref="refs/heads/\ud800",
            repository={"id": 1, "name": "kettle", "full_name": REPO, "default_branch": "\ud800"},
        ),
        push(ref="refs/heads/a.", repository={"id": 1, "name": "kettle", "full_name": REPO, "default_branch": "a."}),
    ],
)
def test_a_signed_push_with_wrong_parts_is_refused_or_ignored_and_never_queued(
    world: World, payload: dict[str, Any]
) -> None:
    status, body = said(world.send(world.webhook(payload)))
    assert status == 400 or body["message"] == "ignored", body
    assert queued(world) == []


def test_headers_that_name_event_and_delivery_are_required(world: World) -> None:
    for name in ("x-github-event", "x-github-delivery"):
        event = world.webhook(push())
        del event["headers"][name]
        assert world.send(event)["statusCode"] == 400
    assert world.send(world.webhook(push(), delivery="../../etc"))["statusCode"] == 400


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        ("ping", {"zen": "Keep it logically awesome."}, "ping"),
        ("issues", {"action": "opened"}, "event"),
        ("push", push(repository={**push()["repository"], "full_name": "other/kettle"}), "repository"),
        ("push", push(ref="refs/tags/v1", after=B), "tag"),
        ("push", push(after=ZERO, deleted=True), "branch deleted"),
        ("push", push(ref="refs/heads/feature"), "branch"),
        ("push", push(ref="refs/heads/coderipple/0123"), "branch"),
        ("pull_request", pull_request("closed"), "action"),
        ("pull_request", pull_request("labeled"), "action"),
        ("pull_request", pull_request(head={"repo": {"id": 2}}), "fork"),
        ("pull_request", pull_request(head={"repo": None}), "fork"),
        ("pull_request", pull_request(head={"ref": "coderipple/bbbbbbbbbbbb"}), "own branch"),
    ],
)
def test_what_there_is_nothing_to_do_about_is_ignored_with_its_reason(
    world: World, kind: str, payload: dict[str, Any], reason: str
) -> None:
    assert said(world.send(world.webhook(payload, kind))) == (202, {"message": "ignored", "reason": reason})
    assert queued(world) == []


@pytest.mark.parametrize(
    ("payload", "kind", "expected"),
    [
        (push(before=ZERO, created=True), "push", ("refs/heads/main", ZERO, B)),
        (push(forced=True), "push", ("refs/heads/main", A, B)),
        (push(head_commit=None), "push", ("refs/heads/main", A, B)),
        (push(commits=[{"id": B, "added": [f"f{number}" for number in range(3_001)]}] * 21), "push", None),
        (pull_request(), "pull_request", ("refs/heads/feature", A, B)),
        (pull_request("reopened"), "pull_request", ("refs/heads/feature", A, B)),
        (pull_request("synchronize", before="c" * 40, after=B), "pull_request", ("refs/heads/feature", "c" * 40, B)),
    ],
)
def test_what_is_queued_is_the_range_of_the_push(
    world: World, payload: dict[str, Any], kind: str, expected: tuple[str, str, str] | None
) -> None:
    body = json.dumps({key: value for key, value in payload.items() if key != "head_commit" or value})
    assert world.send(world.webhook(payload, kind, body=body))["statusCode"] == 202
    (message,) = queued(world)
    assert (message["ref"], message["before"], message["after"]) == (expected or ("refs/heads/main", A, B))
    assert len(json.dumps(message)) < 1_000


def test_old_shapes_of_enterprise_server_are_understood(world: World) -> None:
    repository = {"id": 1, "name": "kettle", "owner": {"name": "acme", "email": None}, "master_branch": "main"}
    payload = {"ref": "refs/heads/main", "before": A, "after": B, "repository": repository, "enterprise": {"id": 1}}
    event = world.webhook(
        payload, headers={"x-github-enterprise-host": "git.example", "x-github-enterprise-version": "3"}
    )
    assert world.send(event)["statusCode"] == 202
    assert queued(world)[0]["repository"] == REPO


@pytest.mark.parametrize(
    ("route", "status"), [("GET /webhook", 405), ("PUT /webhook", 405), ("POST /", 404), ("POST /webhook/x", 404)]
)
def test_other_routes_and_methods_are_not_there(world: World, route: str, status: int) -> None:
    answer = world.send(http_event(route, "{}", {}))
    assert answer["statusCode"] == status
    assert queued(world) == []


def test_more_branches_are_documented_where_config_names_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(contract.BRANCHES, "release/1, next")
    for branch, reason in (("main", None), ("release/1", None), ("other", "branch")):
        event = WebhookEvent(push(ref=f"refs/heads/{branch}"), kind="push")
        assert event.ignored(get_config()) == reason


def test_after_a_rotation_both_secrets_count_for_an_hour(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = world.account.client("secretsmanager")
    arn = world.environment["GITHUB_WEBHOOK_SECRET_SECRET_ARN"]
    services = world.services
    assert is_signed(b"x", signature(b"x", SECRET), services.secrets.webhook.accepted())
    client.put_secret_value(SecretId=arn, SecretString="a-new-secret-of-the-webhook")
    for secret in ("a-new-secret-of-the-webhook", SECRET):
        assert is_signed(b"x", signature(b"x", secret), services.secrets.webhook.accepted())
    assert not is_signed(b"x", signature(b"x", "neither"), services.secrets.webhook.accepted())
    monkeypatch.setattr(rotation, "GRACE_SECONDS", -1)
    fresh = world.services.secrets.webhook
    assert not is_signed(b"x", signature(b"x", SECRET), fresh.accepted())
    assert is_signed(b"x", signature(b"x", "a-new-secret-of-the-webhook"), fresh.accepted())


def test_a_parameter_is_rotated_as_a_secret_is(world: World) -> None:
    ssm = world.account.client("ssm")
    for value in ("first-value-of-it", "second-value-of-it"):
        ssm.put_parameter(Name="/webhook/secret", Value=value, Type="SecureString", Overwrite=True)
    variables = {name: value for name, value in world.environment.items() if "WEBHOOK_SECRET" not in name}
    webhook = Services.load({**variables, "GITHUB_WEBHOOK_SECRET_PARAMETER": "/webhook/secret"}).secrets.webhook
    for secret in ("first-value-of-it", "second-value-of-it"):
        assert is_signed(b"x", signature(b"x", secret), webhook.accepted())
    assert not is_signed(b"x", signature(b"x", "third-value-of-it"), webhook.accepted())


def test_a_queue_that_does_not_answer_is_said_and_nothing_of_the_inside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(contract.WEBHOOK_QUEUE_URL, world.queue_url + "-gone")
    status, body = said(world.send(world.webhook(push())))
    assert (status, body) == (503, {"message": "the webhook could not be queued: deliver it again"})
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET_SECRET_ARN", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:no")
    assert said(world.send(world.webhook(push()))) == (500, {"message": "Webhook processing failed"})


@pytest.mark.parametrize(
    "part", ["delivery", "event", "action", "repository", "ref", "before", "after", "installation"]
)
def test_a_message_with_a_wrong_part_names_it(part: str) -> None:
    message = {**World.message(before=A, after=B), part: "\n"}
    with pytest.raises(PayloadError, match=part):
        read_message(message)


def test_the_way_of_a_webhook_imports_no_agents() -> None:
    """GitHub waits 10 s, a cold start included."""
    code = (
        "import sys; import lambdas.orchestrator.lambda_function; import coderipple.intake;"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in ('strands', 'openai', 'httpx', 'jwt', 'mcp')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"AWS_REGION": "eu-central-1", "PATH": "/usr/bin"},
    )
    assert done.stdout.strip() == "[]", done.stderr
