"""knowledge_base's world: a local AWS, real stand-ins over real HTTP, the application as Lambda's gateway has it.

Plain context managers, so that commands and browser tests can use them, too; `conftest.py` has the fixtures.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.accounts.passwords import Passwords
from lambdas.knowledge_base.app import create_app
from lambdas.knowledge_base.services import Services
from sandbox.standins.openai.server import DEFAULT_KEY as OPENAI_KEY
from sandbox.standins.openai.server import OpenAIState
from sandbox.standins.openai.server import create_app as openai_app
from sandbox.standins.rpc import RpcServer
from sandbox.standins.serving import Server
from sandbox.standins.weaviate.calls import handlers as weaviate_calls
from sandbox.standins.weaviate.server import DEFAULT_KEY as WEAVIATE_KEY
from sandbox.standins.weaviate.server import HEADERS, WeaviateState
from sandbox.standins.weaviate.server import create_app as weaviate_app
from tests.vocabulary import vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from fastapi import FastAPI

    from sandbox.account import Account

SIGNING_KEY = f"a-signing-key-of-the-tests-{'0123456789abcdef' * 3}"
PASSWORD = "correct horse battery staple"
CHEAP = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
TABLES = {
    contract.USERS_TABLE: contract.USERS_KEY,
    contract.DOCUMENTS_TABLE: contract.DOCUMENTS_KEY,
    contract.CHAT_SESSIONS_TABLE: contract.CHAT_SESSIONS_KEY,
    contract.CHAT_MESSAGES_TABLE: contract.CHAT_MESSAGES_KEY,
}


@dataclass
class Clock:
    """Real time, and what a test adds to it."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += seconds


@dataclass
class SignedIn:
    """A user with their tokens."""

    client: TestClient
    id: str
    email: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        """What their requests carry."""
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Ask for something in their name."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self.client.request(method, path, headers=headers, follow_redirects=False, **options)

    def get(self, path: str, **options: Any) -> Any:
        """GET."""
        return self.request("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        """POST."""
        return self.request("POST", path, **({"json": json} if json is not None else {}), **options)

    def delete(self, path: str, **options: Any) -> Any:
        """DELETE."""
        return self.request("DELETE", path, **options)


@dataclass
class World:
    """What a test acts on."""

    account: Account
    environment: dict[str, str]
    openai: OpenAIState
    weaviate: WeaviateState
    clock: Clock = field(default_factory=Clock)
    passwords: Passwords = field(default_factory=lambda: Passwords(CHEAP))
    """argon2 as it is in Lambda, at a hundredth of the cost."""

    @cached_property
    def services(self) -> Services:
        """The function's, of this world's environment and clock."""
        made = Services(self.environment, self.clock)
        made.passwords = self.passwords
        return made

    @cached_property
    def app(self) -> FastAPI:
        """The application."""
        return create_app(self.services)

    @cached_property
    def client(self) -> TestClient:
        """Somebody who has not signed in; at 192.0.2.1."""
        return self.client_at("192.0.2.1")

    def client_at(self, source: str) -> TestClient:
        """Somebody at another network address; what goes wrong within is an answer, as behind the gateway."""
        return TestClient(self.app, client=(source, 40_000), follow_redirects=False)

    def somewhere(self) -> TestClient:
        """Somebody at a network address of their own: what others failed at does not count."""
        return self.client_at(".".join(["198", "18", *(str(number) for number in secrets.token_bytes(2))]))

    def user(self, email: str | None = None, password: str = PASSWORD) -> SignedIn:
        """A new user who has signed in."""
        address = email or f"{uuid.uuid4().hex}@example.org"
        made = self.somewhere().post("/auth/register", json={"email": address, "password": password})
        assert made.status_code == 201, made.text
        return self.sign_in(address, password, made.json()["user_id"])

    def sign_in(self, email: str, password: str = PASSWORD, user_id: str = "") -> SignedIn:
        """A user who signs in once more."""
        answer = self.somewhere().post("/auth/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return SignedIn(self.client, user_id, email, answer.json())

    def restarted(self, **variables: str) -> World:
        """The same world in a new environment of the function's, with other variables and a clock of its own.

        AWS clients hold nothing that such an environment would not have anew, and take half a second: they are kept.
        """
        clock = Clock(self.clock.ahead)
        made = World(self.account, {**self.environment, **variables}, self.openai, self.weaviate, clock, self.passwords)
        for name in ("session", "dynamodb", "s3", "sqs"):
            setattr(made.services, name, getattr(self.services, name))
        return made

    def messages(self, most: int = 10) -> list[dict[str, Any]]:
        """Take what is in the ingestion queue."""
        client = self.account.client("sqs")
        url = self.environment[contract.INGESTION_QUEUE_URL]
        found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=0).get("Messages", [])
        for message in found:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]


class WordVectors:
    """Vectors that are near each other when texts share words: MiniLM takes seconds to load, and this no time."""

    def embed(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(len(texts), 384) float32 of length 1."""
        rows = np.zeros((len(texts), 384), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.casefold()) or [text]:
                row[zlib.crc32(word.encode("utf-8", "replace")) % 384] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@contextmanager
def world_of(account: Account, set_variable: Callable[[str, str], object], **variables: str) -> Generator[World]:
    """A world of its own in a local AWS.

    Args:
        account: the local AWS.
        set_variable: sets a variable of the process, which AWS clients read: a monkeypatch's `setenv`.
        variables: of the function, beside those of the world.
    """
    mark = uuid.uuid4().hex[:8]
    with ExitStack() as stack:
        openai = OpenAIState(model=WordVectors(), vocabulary=vocabulary())
        server = stack.enter_context(Server(openai_app(openai)))
        weaviate = WeaviateState()
        rpc = stack.enter_context(RpcServer()).serve(weaviate, weaviate_calls(weaviate), HEADERS)
        environment = {
            **account.environment(),
            **{name: _table(account, f"{name.lower()}-{mark}", key) for name, key in TABLES.items()},
            contract.PDF_STORAGE_BUCKET: _bucket(account, f"pdfs-{mark}"),
            contract.INGESTION_QUEUE_URL: account.client("sqs").create_queue(QueueName=f"ingestion-{mark}")["QueueUrl"],
            **_secrets(account, JWT_SECRET_KEY=SIGNING_KEY, OPENAI_API_KEY=OPENAI_KEY, WEAVIATE_API_KEY=WEAVIATE_KEY),
            contract.TIKTOKEN_CACHE_DIR: str(vocabulary()),
            contract.OPENAI_BASE_URL: f"{server.url}/v1",
            contract.OPENAI_CHAT_MODEL: "gpt-4.1-mini",
            contract.WEAVIATE_URL: stack.enter_context(Server(weaviate_app(weaviate))).url,
            contract.WEAVIATE_GRPC_URL: rpc.url,
            "POWERTOOLS_SERVICE_NAME": "strata-test-knowledge-base",
            "AWS_LAMBDA_FUNCTION_NAME": "strata-test-knowledge-base",
            **variables,
        }
        for name, value in environment.items():
            set_variable(name, value)
        yield World(account, environment, openai, weaviate)


def _table(account: Account, name: str, key: tuple[str, str | None]) -> str:
    parts = [(part, kind) for part, kind in zip(key, ("HASH", "RANGE"), strict=True) if part]
    account.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": part, "KeyType": kind} for part, kind in parts],
        AttributeDefinitions=[{"AttributeName": part, "AttributeType": "S"} for part, _ in parts],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def _bucket(account: Account, name: str) -> str:
    account.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": account.environment()["AWS_REGION"]}
    )
    account.client("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def _secrets(account: Account, **values: str) -> Mapping[str, str]:
    client = account.client("secretsmanager")
    return {
        f"{name}_SECRET_ARN": client.create_secret(Name=f"{name}-{uuid.uuid4().hex[:8]}", SecretString=value)["ARN"]
        for name, value in values.items()
    }
