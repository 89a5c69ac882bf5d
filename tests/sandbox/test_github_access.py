"""The GitHub stand-in: who may do what, how often, and what webhooks are sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import queue
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sandbox.standins.github import hooks
from sandbox.standins.github.access import App, User
from sandbox.standins.github.store import ZERO
from tests.sandbox.github_api import FILES, REPO, Api, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sandbox.standins.github.state import GitHubState
    from sandbox.standins.serving import Server

ADA = User("ada", 1_815)
SECRET = "It's a secret to everybody"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[GitHubState, Server]]:
    yield from serve(tmp_path)


@pytest.fixture
def state(running: tuple[GitHubState, Server]) -> GitHubState:
    return running[0]


@pytest.fixture
def url(running: tuple[GitHubState, Server]) -> str:
    return running[1].url


# --- tokens ---


def test_each_token_does_what_it_may_and_no_more(state: GitHubState, url: str) -> None:
    state.add_repository("acme/secret", FILES)
    reader = Api(url, state.access.add_token(ADA, {"contents": "read"}, [REPO]))
    assert reader.text("README.md") == FILES["README.md"]
    written = reader.ask("POST", "git/blobs", json={"content": "x"})
    assert written.status_code == 403
    assert written.json()["message"] == "Resource not accessible by personal access token"
    assert reader.ask("POST", "pulls", json={}).status_code == 403
    assert reader.ask("GET", "/repos/acme/secret").status_code == 404
    assert reader.ask("GET", "/repos/acme/nothing").status_code == 404
    wrong = Api(url, "github_pat_wrong").ask("GET", "")
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Bad credentials")
    assert Api(url, None).ask("GET", "").status_code == 404


def test_everybody_reads_a_public_repository_and_nobody_writes_it(state: GitHubState, url: str) -> None:
    state.add_repository(REPO, private=False)
    nobody = Api(url, None)
    assert nobody.text("README.md") == FILES["README.md"]
    refused = nobody.ask("POST", "git/blobs", json={"content": "x"})
    assert (refused.status_code, refused.json()["message"]) == (401, "Requires authentication")
    assert nobody.ask("GET", "").headers["x-ratelimit-limit"] == "60"


def test_a_rotated_key_is_refused(state: GitHubState, url: str) -> None:
    api = Api(url)
    assert api.tip()
    state.keys.rotate("another")
    assert api.ask("GET", "").status_code == 401


# --- apps ---


class _Keys:
    """A key pair, made once: it takes a while."""

    private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _jwt(**claims: Any) -> str:
    now = int(time.time())
    return jwt.encode({"iat": now - 60, "exp": now + 540, "iss": "77", **claims}, _Keys.pem, algorithm="RS256")


@pytest.fixture
def app(state: GitHubState) -> App:
    state.add_repository("acme/other", FILES)
    permissions = {"contents": "write", "pull_requests": "write"}
    return state.add_app("coderipple", 77, _Keys.public, [REPO], permissions)


def test_an_app_gets_a_token_of_its_installation_and_commits_as_its_bot(app: App, url: str) -> None:
    signed = Api(url, _jwt())
    found = signed.get("installation")
    assert found["id"] == app.installation.id
    token = signed.make(f"/app/installations/{found['id']}/access_tokens")
    api = Api(url, token["token"])
    assert token["permissions"] == {"contents": "write", "pull_requests": "write", "metadata": "read"}
    sha = api.commit(api.tip(), {"README.md": "# By an app\n"})
    assert api.move("main", sha).status_code == 200
    author = api.get(f"commits/{sha}")["commit"]["author"]
    assert author["name"] == "coderipple[bot]"
    assert author["email"] == f"{app.bot.id}+coderipple[bot]@users.noreply.github.com"
    assert api.ask("GET", "/repos/acme/other").status_code == 404
    assert signed.ask("GET", "").status_code == 403  # the app itself reads no repository


def test_a_narrowed_token_cannot_write(app: App, url: str) -> None:
    path = f"/app/installations/{app.installation.id}/access_tokens"
    signed = Api(url, _jwt())
    narrow = signed.make(path, permissions={"contents": "read", "metadata": "read"}, repositories=["kettle"])
    reader = Api(url, narrow["token"])
    assert reader.tip()
    refused = reader.ask("POST", "git/blobs", json={"content": "x"})
    assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
    assert signed.ask("POST", path, json={"permissions": {"repository_hooks": "write"}}).status_code == 422
    assert signed.ask("POST", path, json={"repositories": ["other"]}).status_code == 422


@pytest.mark.parametrize(
    ("claims", "status", "said"),
    [
        ({"exp": 1}, 401, "future time"),
        ({"exp": int(time.time()) + 3_600}, 401, "too far in the future"),
        ({"iat": int(time.time()) + 3_600}, 401, "'iat'"),
        ({"iss": "78"}, 404, "Integration not found"),
    ],
)
def test_an_apps_word_is_checked(app: App, url: str, claims: dict[str, Any], status: int, said: str) -> None:
    answer = Api(url, _jwt(**claims)).ask("GET", "/app")
    assert answer.status_code == status
    assert said in answer.json()["message"]


def test_who_has_another_key_is_not_the_app(app: App, url: str) -> None:
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    now = int(time.time())
    forged = jwt.encode({"iat": now, "exp": now + 60, "iss": "77"}, other, algorithm="RS256")
    answer = Api(url, forged).ask("GET", "/app")
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")
    unsigned = jwt.encode({"iat": now, "exp": now + 60, "iss": "77"}, "", algorithm="none")
    assert Api(url, unsigned).ask("GET", "/app").status_code == 401


# --- limits ---


def test_the_hours_requests_are_counted_and_end(state: GitHubState, url: str) -> None:
    state.limits.per_hour = 2
    api = Api(url)
    assert [api.ask("GET", "").headers["x-ratelimit-remaining"] for _ in range(2)] == ["1", "0"]
    refused = api.ask("GET", "")
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("API rate limit exceeded")
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert int(refused.headers["x-ratelimit-reset"]) > time.time()
    assert api.get("/rate_limit")["rate"]["used"] == 2


def test_what_has_not_changed_costs_nothing(state: GitHubState, url: str) -> None:
    api = Api(url)
    first = api.ask("GET", "contents/README.md")
    same = api.ask("GET", "contents/README.md", headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"] == "1"
    state.push(REPO, {"README.md": "new"}, "New")
    assert api.ask("GET", "contents/README.md", headers={"if-none-match": first.headers["etag"]}).status_code == 200


def test_too_many_writes_are_told_to_wait(state: GitHubState, url: str) -> None:
    state.limits.writes_per_minute = 2
    api = Api(url)
    statuses = [api.ask("POST", "git/blobs", json={"content": str(n)}) for n in range(3)]
    assert [answer.status_code for answer in statuses] == [201, 201, 403]
    assert statuses[2].headers["retry-after"] == "60"
    assert "secondary rate limit" in statuses[2].json()["message"]
    assert int(statuses[2].headers["x-ratelimit-remaining"]) > 0


# --- webhooks ---


class _Listener:
    """A server that takes webhooks and answers 202, or whatever it is told to."""

    def __init__(self) -> None:
        self.got: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.status = 202
        self.pauses_seconds: list[float] = []
        """Before the next answers."""
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.got.put(({name.lower(): value for name, value in self.headers.items()}, body))
                if listener.pauses_seconds:
                    time.sleep(listener.pauses_seconds.pop(0))
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self) -> tuple[dict[str, str], dict[str, Any]]:
        headers, body = self.got.get(timeout=20)
        for kind in ("sha1", "sha256"):
            name = "x-hub-signature" if kind == "sha1" else "x-hub-signature-256"
            assert headers[name] == f"{kind}={hmac.new(SECRET.encode(), body, getattr(hashlib, kind)).hexdigest()}"
        form = headers["content-type"] == "application/x-www-form-urlencoded"
        return headers, json.loads(parse_qs(body.decode())["payload"][0] if form else body)


@pytest.fixture
def listener() -> Iterator[_Listener]:
    made = _Listener()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_push_is_told_whole_and_signed(state: GitHubState, url: str, listener: _Listener) -> None:
    state.add_hook(REPO, listener.url, SECRET)
    headers, ping = listener.next()
    assert headers["x-github-event"] == "ping"
    assert ping["hook"]["config"]["secret"] == "********"
    before = Api(url).tip()
    state.push(REPO, {"src/pot.py": "x = 1\n", "README.md": "# Ünïcode 🫖\n", "docs/guide.md": None}, "Add a pot ☕")
    headers, push = listener.next()
    assert headers["x-github-event"] == "push"
    assert uuid.UUID(headers["x-github-delivery"])
    assert headers["user-agent"].startswith("GitHub-Hookshot/")
    after = Api(url).tip()
    assert (push["ref"], push["before"], push["after"]) == ("refs/heads/main", before, after)
    assert push["head_commit"] == push["commits"][-1]
    commit = push["head_commit"]
    assert (commit["id"], commit["message"]) == (after, "Add a pot ☕")
    assert commit["added"] == ["src/pot.py"]
    assert commit["removed"] == ["docs/guide.md"]
    assert commit["modified"] == ["README.md"]
    assert push["pusher"]["name"] == push["sender"]["login"] == "ada"
    assert push["repository"]["full_name"] == REPO
    assert push["repository"]["default_branch"] == push["repository"]["master_branch"] == "main"
    assert not push["created"]
    assert not push["forced"]
    assert push["compare"].endswith(f"/compare/{before[:12]}...{after[:12]}")


def test_new_forced_and_deleted_branches_say_so(state: GitHubState, url: str, listener: _Listener) -> None:
    state.add_hook(REPO, listener.url, SECRET)
    listener.next()
    api = Api(url)
    sha = api.commit(api.tip(), {"a.txt": "a"})
    api.make("git/refs", ref="refs/heads/docs", sha=sha)
    _, created = listener.next()
    assert (created["created"], created["before"], [c["id"] for c in created["commits"]]) == (True, ZERO, [sha])
    other = api.commit(api.tip(), {"b.txt": "b"})
    assert api.move("docs", other, force=True).status_code == 200
    _, forced = listener.next()
    assert (forced["forced"], forced["before"], forced["after"]) == (True, sha, other)
    assert api.ask("DELETE", "git/refs/heads/docs").status_code == 204
    _, deleted = listener.next()
    assert (deleted["deleted"], deleted["after"], deleted["head_commit"]) == (True, ZERO, None)
    assert deleted["commits"] == []


def test_a_long_push_tells_the_newest_commits_only(state: GitHubState, url: str, listener: _Listener) -> None:
    state.commits_per_push = 20
    api = Api(url)
    sha = api.tip()
    for number in range(25):
        sha = api.commit(sha, {"n.txt": str(number)}, f"Commit {number}")
    state.add_hook(REPO, listener.url, SECRET, content_type="form")
    listener.next()
    api.move("main", sha)
    headers, push = listener.next()
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert [commit["message"] for commit in push["commits"]] == [f"Commit {number}" for number in range(5, 25)]
    assert push["head_commit"]["id"] == sha


def test_pull_requests_are_told_and_move_with_their_branch(state: GitHubState, url: str, listener: _Listener) -> None:
    state.add_hook(REPO, listener.url, SECRET, events=["pull_request"])
    listener.next()
    api = Api(url)
    first = api.commit(api.tip(), {"README.md": "# Docs\n"})
    api.make("git/refs", ref="refs/heads/docs", sha=first)
    api.make("pulls", title="Docs", head="docs", base="main")
    _, opened = listener.next()
    assert (opened["action"], opened["number"]) == ("opened", 1)
    assert opened["pull_request"]["head"]["sha"] == first
    second = api.commit(first, {"README.md": "# Docs 2\n"})
    api.move("docs", second)
    _, moved = listener.next()
    assert (moved["action"], moved["before"], moved["after"]) == ("synchronize", first, second)


def test_a_redelivery_is_the_same_delivery_again(state: GitHubState, url: str, listener: _Listener) -> None:
    listener.status = 500
    hook = state.add_hook(REPO, listener.url, SECRET)
    listener.next()
    (sent,) = state.push(REPO, {"a.txt": "a"}, "Once")
    first = listener.next()
    assert state.deliveries.wait(sent).status_code == 500
    api = Api(url)
    shown = api.get(f"hooks/{hook.id}/deliveries")
    assert [(each["event"], each["status_code"], each["redelivery"]) for each in shown] == [
        ("push", 500, False),
        ("ping", 500, False),
    ]
    listener.status = 202
    assert api.ask("POST", f"hooks/{hook.id}/deliveries/{sent.id}/attempts").status_code == 202
    again = listener.next()
    assert again[0]["x-github-delivery"] == first[0]["x-github-delivery"] == sent.guid
    assert again[1] == first[1]


def test_a_hook_for_events_that_are_not_sent_is_refused(url: str) -> None:
    given = {"config": {"url": "http://127.0.0.1:1/"}, "events": ["issues"]}
    assert Api(url).ask("POST", "hooks", json=given).status_code == 501
    made = Api(url).make("hooks", config={"url": "http://127.0.0.1:1/", "content_type": "json"}, events=["push"])
    assert "secret" not in made["config"]


def test_nobody_at_the_other_end_is_recorded(state: GitHubState, url: str) -> None:
    hook = state.add_hook(REPO, "http://127.0.0.1:1/webhook")
    (ping,) = state.deliveries.of(hook.id)
    assert state.deliveries.wait(ping).status.startswith("failed to connect")


def test_what_nobody_answers_in_githubs_time_is_sent_again_until_somebody_does(
    state: GitHubState, url: str, listener: _Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cold start may take longer than GitHub waits: a demonstration goes on as its user would."""
    monkeypatch.setattr(hooks, "TIMEOUT_SECONDS", 0.2)
    listener.pauses_seconds = [1.0, 1.0]
    state.add_hook(REPO, listener.url, SECRET)
    (ping,) = state.deliveries.of(next(iter(state.repository(REPO).hooks)))
    answered = state.deliveries.redelivered(ping)
    assert (answered.status_code, answered.redelivery, answered.guid) == (202, True, ping.guid)
    assert [each.status for each in reversed(state.deliveries.of(ping.hook.id))] == ["timed out", "timed out", "OK"]
    listener.status = 500
    last = state.deliveries.redelivered(ping, lambda status: status == 202, attempts=2)
    assert (last.status_code, len(state.deliveries.of(ping.hook.id))) == (500, 4)
