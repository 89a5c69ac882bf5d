"""What is kept between invocations: configuration, where secrets are, clients, and what is made of them.

Each is made when it is first asked for, and imports what it needs then: an answer of `/health` loads no client of
Weaviate's, and a batch of the queue no hashing of passwords.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from lambdas.knowledge_base import contract
from lambdas.knowledge_base.settings import FUNCTION, Settings
from lambdas.knowledge_base.tables import Table
from lambdas.shared.contract import DEFAULT_ENCODING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdas.knowledge_base.accounts import Accounts
    from lambdas.knowledge_base.accounts.passwords import Passwords
    from lambdas.knowledge_base.documents import Documents, Files
    from lambdas.knowledge_base.documents.views import PageViews
    from lambdas.knowledge_base.ingestion.batch import Ingestion
    from lambdas.knowledge_base.ingestion.ingestion_queue import IngestionQueue
    from lambdas.knowledge_base.ingestion.pipeline import Tools
    from lambdas.knowledge_base.retrieval.chat import Chat
    from lambdas.knowledge_base.retrieval.models import Models
    from lambdas.knowledge_base.retrieval.search import Search
    from lambdas.knowledge_base.retrieval.sessions import Sessions
    from lambdas.knowledge_base.retrieval.vectors import Vectors
    from lambdas.shared.tokens import Tokenizer

CLIENTS = Config(
    connect_timeout=2,
    read_timeout=8,
    retries={"total_max_attempts": 3, "mode": "standard"},
    signature_version="v4",
)
"""An answer of the API is of no use after 29 s."""
BUCKET_CLIENT = CLIENTS.merge(Config(read_timeout=20, signature_version="s3v4", s3={"addressing_style": "virtual"}))
"""Without `virtual`, botocore signs addresses of the one global endpoint, which sends browsers on to the region's for a
day after a bucket is made; an upload does not survive that."""


class Services:
    """Of one environment. Nothing is read and nothing is connected before it is used."""

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        """Remember where the configuration is.

        Args:
            environment: the function's variables.
            clock: gives the second (Unix time): what expires does so by it.
        """
        self.environment = environment
        self.clock = clock

    @cached_property
    def settings(self) -> Settings:
        """The configuration.

        Raises:
            ConfigurationError: names every wrong variable.
        """
        return Settings.load(self.environment)

    def prepare(self) -> None:
        """Make what every request needs, which takes processor time and no network.

        Raises:
            ConfigurationError: names every wrong variable.
            SecretError: no variable names the key that signs.
        """
        self.accounts.prepare()
        _ = self.s3

    @cached_property
    def session(self) -> botocore.session.Session:
        """botocore's, which makes clients: boto3's brings a library for transfers, a tenth of a start."""
        return botocore.session.get_session()

    def client(self, service: str, config: Config = CLIENTS) -> Any:
        """A new client; keep it in a property of its own."""
        return self.session.create_client(service, config=config)

    @cached_property
    def dynamodb(self) -> Any:
        """botocore's client."""
        return self.client("dynamodb")

    @cached_property
    def s3(self) -> Any:
        """botocore's client."""
        return self.client("s3", BUCKET_CLIENT)

    @cached_property
    def sqs(self) -> Any:
        """botocore's client."""
        return self.client("sqs")

    @cached_property
    def users(self) -> Table:
        """Accounts, refresh families, failed logins."""
        return Table(self.dynamodb, self.settings.users_table)

    @cached_property
    def passwords(self) -> Passwords:
        """Hashes them."""
        from lambdas.knowledge_base.accounts.passwords import Passwords

        return Passwords()

    @cached_property
    def accounts(self) -> Accounts:
        """Who may do what."""
        from lambdas.knowledge_base.accounts import Accounts, SigningKeys

        keys = SigningKeys(contract.JWT_SECRET_KEY, self.environment, function=FUNCTION)
        return Accounts(self.settings, self.users, keys, self.passwords, self.clock)

    @cached_property
    def files(self) -> Files:
        """The bucket."""
        from lambdas.knowledge_base.documents import Files

        return Files(self.s3, self.settings.bucket)

    @cached_property
    def queue(self) -> IngestionQueue:
        """The ingestion queue."""
        from lambdas.knowledge_base.ingestion.ingestion_queue import IngestionQueue

        return IngestionQueue(self.sqs, self.settings.queue_url)

    @cached_property
    def documents(self) -> Documents:
        """Users' documents."""
        from lambdas.knowledge_base.documents import Documents, DocumentsTable

        table = DocumentsTable(Table(self.dynamodb, self.settings.documents_table), self.clock)
        return Documents(table, self.files, self.queue, lambda: self.vectors, self.clock)

    @cached_property
    def page_views(self) -> PageViews:
        """Pages as they look."""
        from lambdas.knowledge_base.documents.views import PageViews

        return PageViews(self.documents, self.files)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """What texts are counted with as the embedding model will count them."""
        from lambdas.shared.tokens import Tokenizer

        return Tokenizer(DEFAULT_ENCODING)

    @cached_property
    def ingestion(self) -> Ingestion:
        """The consumer of the queue."""
        from lambdas.knowledge_base.ingestion.batch import Ingestion

        return Ingestion(
            tools=self._tools,
            documents=self.documents,
            files=self.files,
            queue=self.queue,
            clock=self.clock,
            max_receives=self.settings.max_receives,
        )

    def _tools(self) -> Tools:
        from lambdas.knowledge_base.ingestion.drawings import Drawings
        from lambdas.knowledge_base.ingestion.pipeline import Tools

        settings = self.settings
        return Tools(
            settings=settings,
            table=self.documents.table,
            files=self.files,
            tokenizer=self.tokenizer,
            models=self.models,
            vectors=self.vectors,
            drawings=Drawings(
                lambda config: self.client("lambda", config), settings.image_processor_arn, settings.bucket
            ),
        )

    @cached_property
    def models(self) -> Models:
        """OpenAI's."""
        from lambdas.knowledge_base.retrieval.models import Models
        from lambdas.shared.secret import Secret

        return Models(self.settings, Secret(contract.OPENAI_API_KEY, self.environment, function=FUNCTION))

    @cached_property
    def search(self) -> Search:
        """Finds passages."""
        from lambdas.knowledge_base.retrieval.search import Search

        return Search(self.documents, self.vectors, self.models)

    @cached_property
    def sessions(self) -> Sessions:
        """Chats, and what was said in them."""
        from lambdas.knowledge_base.retrieval.sessions import Sessions

        settings = self.settings
        return Sessions(
            Table(self.dynamodb, settings.chat_sessions_table),
            Table(self.dynamodb, settings.chat_messages_table),
            settings.session_days,
            self.clock,
        )

    @cached_property
    def chat(self) -> Chat:
        """Answers messages."""
        from lambdas.knowledge_base.retrieval.chat import Chat

        return Chat(self.sessions, self.search, self.models, self.files)

    @cached_property
    def vectors(self) -> Vectors:
        """The index of passages.

        Raises:
            SecretError: no variable names the key.
        """
        from lambdas.knowledge_base.retrieval.vectors import Vectors
        from lambdas.shared.secret import Secret

        key = Secret(contract.WEAVIATE_API_KEY, self.environment, function=FUNCTION)
        return Vectors(self.settings.weaviate_url, self.settings.weaviate_grpc_url, key)
