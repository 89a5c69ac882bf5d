"""GitHub's API as it is on a bad day, what a push changed by its account, and whose tokens are used for it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from coderipple.changes import find_changes
from coderipple.errors import ConfigurationError, GoneError, RetryLaterError
from coderipple.github_auth import StoredToken, credentials_for
from coderipple.github_client import ConflictError, GitHubClient, GitHubError, NotFoundError, UnauthorizedError
from coderipple.model_access import model_access, session_policy
from coderipple.repository import RepositoryWriter
from coderipple.services import Services
from lambdas.orchestrator import contract
from lambdas.shared.deadline import Deadline
from sandbox.standins.faults import Fault
from tests.lambdas.orchestrator.conftest import FILES, REPO, World, logged

if TYPE_CHECKING:
    from collections.abc import Iterator


class Token:
    """One that is as it was told, and another when it was refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    def token(self, *, renew: bool = False) -> str:
        if renew and len(self.tokens) > 1:
            self.tokens.pop(0)
        return self.tokens[0]


@pytest.fixture
def writer(world: World) -> Iterator[RepositoryWriter]:
    credentials = StoredToken(world.services.secrets.github_token)  # type: ignore[arg-type]
    with GitHubClient(world.environment[contract.GITHUB_API_URL], credentials, Deadline.after(30)) as client:
        yield RepositoryWriter(client, REPO)


def client(world: World, credentials: Any, seconds: float = 30) -> GitHubClient:
    return GitHubClient(world.environment[contract.GITHUB_API_URL], credentials, Deadline.after(seconds))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502),
        Fault(status=429, headers={"retry-after": "1"}),
        Fault(status=403, headers={"retry-after": "1"}, body='{"message": "secondary rate limit"}'),
        Fault(status=403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}),
        Fault(status=403, headers={"retry-after": "0.2"}, body='{"message": "secondary rate limit"}'),
        Fault(status=403, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, body='{"message": "wait"}'),
        Fault(drop="before"),
        Fault(drop="body"),
    ],
)
def test_what_passes_is_tried_again(world: World, writer: RepositoryWriter, fault: Fault) -> None:
    world.github.faults.script(fault)
    assert writer.head("main") == world.head()


@pytest.mark.parametrize(
    "said",
    [
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
        "You have triggered an abuse detection mechanism. Please wait a few minutes before you try again.",
    ],
)
def test_a_limit_that_does_not_say_how_long_is_one(world: World, said: str) -> None:
    world.github.faults.always(Fault(status=403, body=json.dumps({"message": said})))
    with client(world, Token("x"), 10) as api, pytest.raises(RetryLaterError, match="asks to wait 60 s"):
        RepositoryWriter(api, REPO).head("main")


@pytest.mark.parametrize("reset", ["", "²", "soon", "-1"])
def test_a_limit_whose_end_cannot_be_read_is_one(world: World, reset: str) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}
    world.github.faults.always(Fault(status=403, headers=headers))
    with client(world, Token("x"), 10) as api, pytest.raises(RetryLaterError, match="asks to wait 60 s"):
        RepositoryWriter(api, REPO).head("main")


def test_a_limit_that_outlasts_the_time_sends_the_message_back(world: World) -> None:
    started = time.monotonic()
    world.github.faults.script(Fault(status=403, headers={"retry-after": "60"}))
    token = StoredToken(world.services.secrets.github_token)  # type: ignore[arg-type]
    with client(world, token, 10) as api, pytest.raises(RetryLaterError, match="asks to wait 60 s"):
        RepositoryWriter(api, REPO).head("main")
    assert time.monotonic() - started < 50


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=403, body='{"message": "Resource not accessible by integration"}'), GitHubError),
        (Fault(status=409, body='{"message": "Git Repository is empty."}'), ConflictError),
        (Fault(status=422, body="{"), ConflictError),
        (Fault(status=422, body="[" * 100_000), ConflictError),
        (Fault(status=301, headers={"location": "http://169.254.169.254/"}), GitHubError),
        (Fault(body="<html>"), GitHubError),
        *((Fault(body=body), GitHubError) for body in ("", "null", "5", "{}", "[" * 100_000, '{"message": "ok"}')),
        (Fault(status=204), GitHubError),
    ],
)
def test_what_does_not_pass_is_said_at_once(
    world: World, writer: RepositoryWriter, fault: Fault, kind: type[Exception]
) -> None:
    world.github.faults.script(fault)
    with pytest.raises(kind):
        writer.default_branch()
    assert world.github.faults.left() == 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=404, body='{"message": "Not Found"}'), "the token may not see it"),
        (Fault(status=301, body='{"message": "Moved Permanently"}'), "it was renamed or transferred"),
        (
            Fault(
                status=422,
                body='{"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}, '
                '{"code": "custom", "message": "No commits between main and x"}, "words"]}',
            ),
            "Validation Failed; head invalid; No commits between main and x; words",
        ),
    ],
)
def test_a_refusal_says_what_it_is_about(world: World, writer: RepositoryWriter, fault: Fault, said: str) -> None:
    world.github.faults.script(fault)
    with pytest.raises(GitHubError, match=said):
        writer.default_branch()


def test_a_branch_that_a_ruleset_forbids_is_no_branch_that_is_there(world: World, writer: RepositoryWriter) -> None:
    world.github.faults.script(
        Fault(status=422, body='{"message": "Reference update failed"}'), path=f"/repos/{REPO}/git/refs"
    )
    with pytest.raises(ConflictError, match="Reference update failed"):
        writer.create_branch("coderipple/x", world.head())
    assert writer.create_branch("main", world.head()) is False


def test_a_repository_that_the_token_may_not_see_is_not_a_commit_that_is_gone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """GitHub answers 404 to both: the pull request would be lost."""
    message = {**world.push({"src/a.py": "a\n"}), "event": "pull_request", "action": "opened"}
    world.github.faults.always(Fault(status=404, body='{"message": "Not Found"}'))
    assert world.work(message) == ["0"]
    assert "the token may not see it" in logged(caplog)


def test_a_commit_of_a_repository_that_is_empty_now_is_gone(world: World, writer: RepositoryWriter) -> None:
    world.github.faults.script(Fault(status=409, body='{"message": "Git Repository is empty."}'))
    with pytest.raises(GoneError):
        find_changes(writer, World.message(before="a" * 40, after="b" * 40))  # type: ignore[arg-type]


def test_what_nobody_expects_is_told_of_without_its_words(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise KeyError("the vault opens with seven turns")

    monkeypatch.setattr("coderipple.orchestrator_agent.find_changes", fail)
    assert world.work(world.push({"src/a.py": "a\n"})) == ["0"]
    (entry,) = [vars(entry) for entry in caplog.records if entry.message == "message failed"]
    assert entry["reason"] == "Unexpected"
    assert entry["detail"].startswith("KeyError in test_github.py:")
    assert "vault" not in str(entry["detail"])


def test_an_empty_batch_is_fine(world: World) -> None:
    assert world.send({"Records": []}) == {"batchItemFailures": []}


def test_a_commit_that_was_made_and_never_answered_is_not_made_twice(world: World, writer: RepositoryWriter) -> None:
    head = world.head()
    tree = writer.create_tree(writer.tree(head).sha, [("docs/x.md", "100644", "# X\n")])
    commit = writer.create_commit("docs: x", tree, head, {"name": "C", "email": "c@example.com"})
    world.github.faults.script(Fault(drop="after"))
    writer.advance("main", commit)
    assert world.head() == commit
    with pytest.raises(ConflictError):
        writer.advance("main", head)


def test_a_token_that_was_rotated_is_read_again(world: World) -> None:
    with client(world, Token("github_pat_old", "github_pat_local")) as api:
        assert RepositoryWriter(api, REPO).head("main") == world.head()
    with client(world, Token("github_pat_old", "github_pat_older")) as api, pytest.raises(UnauthorizedError):
        RepositoryWriter(api, REPO).head("main")


def test_an_apps_token_is_for_one_repository_and_what_has_to_be_written(world: World) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    permissions = {"contents": "write", "pull_requests": "write", "metadata": "read", "administration": "write"}
    world.github.add_repository("acme/other", {"README.md": "# Other\n"})
    app = world.github.add_app("coderipple", 77, public.decode(), [REPO, "acme/other"], permissions)
    secret = world.account.client("secretsmanager").create_secret(Name=f"key-{time.time()}", SecretString=pem)["ARN"]
    variables = {**world.environment, contract.GITHUB_APP_ID: str(app.id), "GITHUB_APP_PRIVATE_KEY_SECRET_ARN": secret}
    del variables["GITHUB_TOKEN_SECRET_ARN"]
    services = Services.load(variables)
    for installation in (None, app.installation.id):
        credentials = credentials_for(services.config, services.secrets, REPO, installation)
        with client(world, credentials) as api:
            assert RepositoryWriter(api, REPO).head("main") == world.head()
            with pytest.raises(NotFoundError):
                RepositoryWriter(api, "acme/other").default_branch()
        assert credentials.token() == credentials.token()
    wrong = Services.load({**variables, contract.GITHUB_APP_ID: "78"})
    with pytest.raises((GitHubError, ConfigurationError)):
        credentials_for(wrong.config, wrong.secrets, REPO, app.installation.id).token()


def test_the_model_gets_a_session_that_reaches_the_model_alone(world: World) -> None:
    iam, us = world.account.client("iam"), f"arn:aws:iam::{world.account.account}:root"
    trust = {"Effect": "Allow", "Principal": {"AWS": us}, "Action": "sts:AssumeRole"}
    role, other = (
        iam.create_role(
            RoleName=f"model-{time.time_ns()}",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        )["Role"]["Arn"]
        for statements in ([trust], [])
    )
    variables = {**world.environment, contract.MODEL_PROVIDER: "bedrock", contract.MODEL_ROLE_ARN: role}
    services = Services.load(variables)
    assert services.secrets.model_key is None
    access = model_access(services.config, None)
    assert access["credentials"][0] != world.environment["AWS_ACCESS_KEY_ID"]
    assert len(access["credentials"]) == 3
    refusing = Services.load({**variables, contract.MODEL_ROLE_ARN: other})
    with pytest.raises(ConfigurationError, match="the function may not assume"):
        model_access(refusing.config, None)
    (statement,) = json.loads(session_policy())["Statement"]
    assert statement["Action"] == ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
    with pytest.raises(ConfigurationError, match=r"CODERIPPLE_MODEL_ROLE_ARN is not set"):
        Services.load({**variables, contract.MODEL_ROLE_ARN: ""})


def test_every_kind_of_push_is_seen_as_it_is(world: World, writer: RepositoryWriter) -> None:
    first = world.head()
    plain = world.push({"src/a.py": "a\n", "src/kettle.py": None})
    found = find_changes(writer, plain)  # type: ignore[arg-type]
    assert {(one.status, one.path) for one in found.changes} == {("added", "src/a.py"), ("removed", "src/kettle.py")}

    many = world.push({f"data/{number}.csv": f"{number}\n" for number in range(3_050)})
    found = find_changes(writer, many)  # type: ignore[arg-type]
    assert (len(found.changes), found.complete) == (3_050, True)

    new_branch = {**plain, "before": "0" * 40}
    assert {one.path for one in find_changes(writer, new_branch).changes} == {"src/a.py", "src/kettle.py"}  # type: ignore[arg-type]
    of_all = {**plain, "before": "0" * 40, "after": first}
    assert {one.path for one in find_changes(writer, of_all).changes} == set(FILES)  # type: ignore[arg-type]
    gone_before = {**plain, "before": "e" * 40}
    assert find_changes(writer, gone_before).changes  # type: ignore[arg-type]
    with pytest.raises(GoneError):
        find_changes(writer, {**plain, "after": "e" * 40})  # type: ignore[arg-type]

    world.github.largest_tree = 100
    again = RepositoryWriter(writer._client, REPO)
    assert find_changes(again, many).complete is False  # type: ignore[arg-type]
