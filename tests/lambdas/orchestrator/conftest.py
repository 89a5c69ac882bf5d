"""The orchestrator's world: GitHub and a model as stand-ins over real HTTP, a local AWS, the function as Lambda has it.

The agents run in processes of their own, as in Lambda; nothing of them is replaced.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from coderipple.services import Services
from coderipple.signature import signature
from lambdas.orchestrator import contract, lambda_function
from sandbox.standins.github.server import create_app as github_app
from sandbox.standins.github.state import DEFAULT_KEY as GITHUB_TOKEN
from sandbox.standins.github.state import GitHubState
from sandbox.standins.openai.server import DEFAULT_KEY as MODEL_KEY
from sandbox.standins.openai.server import OpenAIState
from sandbox.standins.openai.server import create_app as model_app
from sandbox.standins.serving import Server
from tests.lambdas.conftest import Context, record
from tests.lambdas.events import http_event
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sandbox.account import Account

REPO = "acme/kettle"
SECRET = "It-is-a-secret-to-everybody"
FILES: Mapping[str, str] = {
    "README.md": "# Kettle\n\nBoils water on a stove, and sings when it does.\n\n## What it offers\n\nNothing yet.\n",
    "docs/architecture.md": "# Architecture\n\nOne module that boils water, and a whistle that tells of it.\n",
    "docs/history.md": "# History\n\nDecisions, oldest first. Entries are added and never changed.\n",
    "src/kettle.py": '"""Boils water."""\n\n\ndef boil(litres: float) -> None:\n    """Heat water."""\n',
}
CHANGE: Mapping[str, str] = {
    "src/kettle.py": FILES["src/kettle.py"].replace("Boils water", "Boils water, and cools it") + "\n\n"
    'def cool(litres: float, degrees: int = 20) -> None:\n    """Let water cool to a temperature."""\n',
    "pyproject.toml": '[project]\nname = "kettle"\ndependencies = ["valve>=2"]\n',
}
"""What every agent has something to say about: source, what a user sees, a dependency."""


class NoVectors:
    """The model stand-in's other half, which nobody asks here."""

    def embed(self, texts: Any) -> Any:
        return np.zeros((len(texts), 384), np.float32)


@dataclass
class World:
    """What a test acts on."""

    account: Account
    github: GitHubState
    model: OpenAIState
    environment: dict[str, str]
    queue_url: str
    webhooks: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def services(self) -> Services:
        """The function's, from the environment as it is now."""
        return Services.load(self.environment)

    def webhook(self, payload: Mapping[str, Any], kind: str = "push", **changes: Any) -> dict[str, Any]:
        """A signed webhook's event, as the HTTP API makes it."""
        body = changes.pop("body", None) or json.dumps(payload)
        headers = {
            "x-github-event": kind,
            "x-github-delivery": changes.pop("delivery", None) or str(uuid.uuid4()),
            "x-hub-signature-256": signature(body.encode(), changes.pop("secret", SECRET)),
            **changes.pop("headers", {}),
        }
        return http_event(contract.ROUTE, body, headers)

    def send(self, event: Any, seconds: float = 900) -> Any:
        """What the function answers."""
        lambda_function._services.cache_clear()
        return lambda_function.lambda_handler(event, Context(seconds))  # type: ignore[arg-type]

    def push(
        self, files: Mapping[str, str | None], message: str = "feat: cool water", **options: Any
    ) -> dict[str, Any]:
        """Push files as somebody would; the message that its webhook would have become."""
        repository = self.github.repository(REPO)
        branch = options.get("branch") or "main"
        before = repository.store.target(f"refs/heads/{branch}")
        self.github.push(REPO, files, message, **options)
        after = repository.store.target(f"refs/heads/{branch}")
        return self.message(before=str(before or "0" * 40), after=str(after), ref=f"refs/heads/{branch}")

    @staticmethod
    def message(**parts: Any) -> dict[str, Any]:
        """A message of the queue."""
        started = {"delivery": str(uuid.uuid4()), "event": "push", "action": "", "repository": REPO}
        return {**started, "ref": "refs/heads/main", **parts}

    def work(self, *messages: Any, received: int = 1, seconds: float = 900) -> list[str]:
        """Hand messages to the function as SQS does: the ids of those that failed, by their place."""
        records = [record(message, str(place), received=received) for place, message in enumerate(messages)]
        failures = self.send({"Records": records}, seconds)["batchItemFailures"]
        return [failure["itemIdentifier"] for failure in failures]

    def head(self, branch: str = "main") -> str:
        """The commit of a branch."""
        return str(self.github.repository(REPO).store.target(f"refs/heads/{branch}"))

    def files(self, branch: str = "main") -> dict[str, str]:
        """Everything on a branch, as text."""
        store = self.github.repository(REPO).store
        found: dict[str, str] = {}

        def walk(tree: Any, prefix: str) -> None:
            for entry in tree:
                if entry.type_str == "tree":
                    walk(entry, f"{prefix}{entry.name}/")
                elif entry.type_str == "blob":
                    found[prefix + entry.name] = entry.data.decode("utf-8", "replace")

        walk(store.git[self.head(branch)].tree, "")
        return found

    def own_branch(self, message: Mapping[str, Any]) -> str:
        """The branch on which a commit's documents are proposed; there is one."""
        store = self.github.repository(REPO).store
        (name,) = store.references(f"refs/heads/coderipple/{message['after'][:12]}")
        return name.removeprefix("refs/heads/")

    def messages(self, branch: str = "main") -> list[str]:
        """The messages of a branch's commits, newest first."""
        repo = self.github.repository(REPO).store.git
        return [commit.message for commit in repo.walk(self.head(branch))]


def results(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The results of the runs in the log."""
    return [entry.__dict__["result"] for entry in caplog.records if entry.message == "run done"]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that the function has logged."""
    return json.dumps([vars(entry) for entry in caplog.records if "uvicorn" not in entry.name], default=str)


def make_tables(account: Account) -> tuple[str, str]:
    """An idempotency table and a runs table, empty."""
    names = tuple(f"{name}-{uuid.uuid4().hex[:8]}" for name in ("idempotency", "runs"))
    for name in names:
        account.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": contract.TABLE_KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": contract.TABLE_KEY, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    return names[0], names[1]


def make_secrets(account: Account, **values: str) -> dict[str, str]:
    """The variables that name new secrets."""
    client = account.client("secretsmanager")
    return {
        f"{name}_SECRET_ARN": client.create_secret(Name=f"{name}-{uuid.uuid4().hex[:8]}", SecretString=value)["ARN"]
        for name, value in values.items()
    }


@pytest.fixture
def github(tmp_path: Path) -> Iterator[tuple[GitHubState, Server]]:
    state = GitHubState(folder=tmp_path / "github")
    state.add_repository(REPO, FILES)
    with Server(github_app(state)) as server:
        yield state, server
    state.close()


@pytest.fixture(scope="session")
def model_server() -> Iterator[tuple[OpenAIState, Server]]:
    state = OpenAIState(model=NoVectors(), vocabulary=vocabulary())
    with Server(model_app(state)) as server:
        yield state, server


@pytest.fixture
def model(model_server: tuple[OpenAIState, Server]) -> Iterator[tuple[OpenAIState, Server]]:
    yield model_server
    state = model_server[0]
    state.moods.clear()
    state.faults.clear()


@pytest.fixture
def world(
    account: Account,
    github: tuple[GitHubState, Server],
    model: tuple[OpenAIState, Server],
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    queue = account.client("sqs").create_queue(QueueName=f"webhooks-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    idempotency, runs = make_tables(account)
    environment = {
        **account.environment(),
        **make_secrets(account, GITHUB_WEBHOOK_SECRET=SECRET, GITHUB_TOKEN=GITHUB_TOKEN, OPENAI_API_KEY=MODEL_KEY),
        contract.SOURCE_REPO: REPO,
        contract.MODEL_PROVIDER: "openai",
        contract.MODEL_ID: "gpt-4.1-mini",
        contract.OPENAI_BASE_URL: f"{model[1].url}/v1",
        contract.GITHUB_API_URL: github[1].url,
        contract.WEBHOOK_QUEUE_URL: queue,
        contract.IDEMPOTENCY_TABLE: idempotency,
        contract.RUNS_TABLE: runs,
        "POWERTOOLS_SERVICE_NAME": "strata-test-orchestrator",
        "AWS_LAMBDA_FUNCTION_NAME": "strata-test-orchestrator",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return World(account, github[0], model[0], environment, queue)
