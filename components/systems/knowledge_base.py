"""The knowledge base: HTTP API and web page → function → tables, bucket, Weaviate; uploads → queue → the same function.

Owns its config and how its blocks are joined. What the function does is in `lambdas/knowledge_base`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import pulumi
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import limits, policies, values
from components.bucket_rules import BucketRules, BucketRulesArgs
from components.bucket_trigger import BucketUse, ObjectFilter
from components.chunk_rule import chunks_advance
from components.fields import key, secret, variable
from components.function_settings import FunctionSettings, Reference
from components.http_trigger import HttpKeys, HttpTrigger, HttpTriggerArgs
from components.package import Zip
from components.queue_trigger import QueueKeys, Queues, QueueTrigger, QueueTriggerArgs, make_queues
from components.rights import list_versions, use_objects, use_table
from components.section import Rule
from components.system import System
from components.table import Key, Table, TableArgs
from lambdas.knowledge_base import contract
from lambdas.shared.contract import overlap_is_too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pulumi import Input

    from components.house import House, SystemArgs
    from components.shared_bucket import SharedBucket

UPLOADED: Final = ObjectFilter(prefix=contract.UPLOADS_PREFIX, suffix=contract.UPLOAD_SUFFIX)


def requests_are_answered(section: KnowledgeBaseSettings) -> str | None:
    """Ingestion does not take all invocations that the function may have: the page is answered by the same function."""
    reserved, ingesting = section.reserved_concurrency, section.queue.maximum_concurrency
    if reserved is None or reserved > ingesting:
        return None
    return (
        f"is {reserved}, and queue.maximum_concurrency {ingesting}: while that many documents are ingested, every "
        "request of the page would be throttled. Raise it, or lower queue.maximum_concurrency."
    )


class RequestKeys(HttpKeys):
    """What the API lets through: a page asks for more at once than a webhook does."""

    requests_per_second: int = key(
        "Requests a second, above which the API answers 429.", default=50, limit=limits.HTTP_THROTTLE_RATE
    )
    burst: int = key("Requests at once, above which it does.", default=100, limit=limits.HTTP_THROTTLE_BURST)


class IngestionKeys(QueueKeys):
    """How documents reach the function that reads them."""

    batch_size: int = key(
        "Documents that one invocation gets: one, since it may take all of its time.",
        default=contract.DOCUMENTS_AT_ONCE,
        at_least=contract.DOCUMENTS_AT_ONCE,
        at_most=contract.DOCUMENTS_AT_ONCE,
    )


class KnowledgeBaseSettings(FunctionSettings):
    """The knowledge base: PDFs in, search and chat with sources out, and the page that people use."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("chunk_overlap_tokens", "chunk_tokens"), chunks_advance(overlap_is_too_large)),
        Rule(("reserved_concurrency", "queue"), requests_are_answered),
    )
    wired: ClassVar[tuple[str, ...]] = contract.WIRED

    memory_mb: int = key(
        "Memory; CPU grows with it. A document that is ingested may use what is left beside the interpreter.",
        default=contract.DEFAULT_MEMORY_MB,
        limit=limits.FUNCTION_MEMORY.above(contract.LEAST_MEMORY_MB),
    )
    timeout_seconds: int = key(
        "When Lambda cuts an ingestion off. Requests are answered within 30 s whatever it is.",
        default=contract.DEFAULT_TIMEOUT_SECONDS,
        limit=limits.FUNCTION_TIMEOUT.above(contract.LEAST_TIMEOUT_SECONDS),
    )
    http: RequestKeys = key("The API, and the page that it serves.", default=RequestKeys)
    queue: IngestionKeys = key("The queue of documents to ingest.", default=IngestionKeys)
    bucket: Annotated[str, AfterValidator(values.bucket_label)] = key(
        "The stack's bucket for documents, their pages and images, by its name here.", default="knowledge"
    )
    weaviate_url: Annotated[str, AfterValidator(values.api_url)] = variable(
        contract.WEAVIATE_URL, "The vector store: https://… of a Weaviate Cloud cluster, or of a server of your own."
    )
    weaviate_grpc_url: Annotated[str, AfterValidator(values.api_url)] | None = variable(
        contract.WEAVIATE_GRPC_URL,
        "Where its gRPC is: https://grpc-… of a Weaviate Cloud cluster. Unset is the host of weaviate_url.",
    )
    openai_base_url: Annotated[str, AfterValidator(values.api_url)] = variable(
        contract.OPENAI_BASE_URL, "OpenAI, or a server that speaks its API."
    )
    openai_chat_model: Annotated[str, AfterValidator(values.model_name)] = variable(
        contract.OPENAI_CHAT_MODEL, "The model that answers. There is no default: models are retired."
    )
    openai_embedding_model: Literal["text-embedding-ada-002", "text-embedding-3-small", "text-embedding-3-large"] = (
        variable(
            contract.OPENAI_EMBEDDING_MODEL,
            "The embedding model. With another one, documents are uploaded anew: vectors of two models do not compare.",
        )
    )
    registration_open: bool = variable(contract.REGISTRATION_OPEN, "Whether anybody may make an account.")
    max_pages: int = variable(contract.MAX_PAGES, "Documents with more are refused.")
    chunk_tokens: int = variable(contract.CHUNK_TOKENS, "Of one passage, at most.")
    chunk_overlap_tokens: int = variable(
        contract.CHUNK_OVERLAP_TOKENS, "That a passage repeats of the one before, at most."
    )
    access_token_seconds: int = variable(
        contract.ACCESS_TOKEN_SECONDS, "How long an access token works; it cannot be called back."
    )
    refresh_token_days: int = variable(
        contract.REFRESH_TOKEN_DAYS, "How long somebody who does not come back stays signed in."
    )
    session_days: int = variable(contract.SESSION_DAYS, "How long a chat is kept after its last message.")
    jwt_secret_key: Reference | None = secret(contract.JWT_SECRET_KEY)
    weaviate_api_key: Reference | None = secret(contract.WEAVIATE_API_KEY)
    openai_api_key: Reference | None = secret(contract.OPENAI_API_KEY)

    def bucket_uses(self) -> Iterator[BucketUse]:
        """Yield where uploads come in, and where what is made of them goes."""
        yield BucketUse(bucket=self.bucket, told_of=UPLOADED)
        for prefix in contract.WRITTEN_PREFIXES:
            yield BucketUse(bucket=self.bucket, writes_under=prefix)


class KnowledgeBaseSystem(pulumi.ComponentResource):
    """The whole system, ready for people once its three secrets are filled."""

    def __init__(
        self, name: str, args: SystemArgs[KnowledgeBaseSettings], house: House, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("strata:components:KnowledgeBaseSystem", name, None, opts)
        child, settings, protect = ResourceOptions(parent=self), args.settings, house.settings.protection.data
        kept = ResourceOptions(parent=self, protect=protect)
        queues = make_queues(name, settings.queue, settings.timeout_seconds, kept)
        tables = {variable: _table(name, variable, child, protect=protect) for variable in contract.TABLES}
        bucket, images = house.bucket(settings.bucket), house.of("image_processor")
        self.function = house.function(
            name,
            args,
            statements=[
                *(use_table(variable, contract.TABLES[variable][1], table) for variable, table in tables.items()),
                *(use_objects(bucket, prefix, actions) for prefix, actions in contract.OBJECTS.items()),
                list_versions(bucket),
                *house.bucket_key(and_encrypt=True),
                policies.send_messages(queues.queue.arn),
                policies.delay_messages(queues.queue.arn),
                *([policies.invoke_function(images.alias.arn)] if images is not None else []),
            ],
            wired={
                **{variable: table.name for variable, table in tables.items()},
                contract.PDF_STORAGE_BUCKET: bucket.name,
                contract.INGESTION_QUEUE_URL: queues.queue.url,
                contract.MAX_RECEIVES: str(settings.queue.max_receive_count),
                **({contract.IMAGE_PROCESSOR_LAMBDA_ARN: images.alias.arn} if images is not None else {}),
            },
            opts=child,
        )
        if images is not None:
            read, write = (contract.DOCUMENTS_PREFIX, ("s3:GetObject",)), (contract.IMAGES_PREFIX, ("s3:PutObject",))
            drawing = [use_objects(bucket, *read), use_objects(bucket, *write), *house.bucket_key(and_encrypt=True)]
            images.allow(f"for-{name}", drawing, ResourceOptions(parent=images))
        self._feed(name, settings, house, bucket, queues)
        api = HttpTrigger(name, HttpTriggerArgs(function=self.function, keys=settings.http, routes=["$default"]), child)
        BucketRules(name, _rules(bucket, [api.api.api_endpoint, *settings.http.cors_origins]), child)
        self.register_outputs({"api_url": api.api.api_endpoint, "bucket": bucket.name})

    def _feed(
        self, name: str, settings: KnowledgeBaseSettings, house: House, bucket: SharedBucket, queues: Queues
    ) -> None:
        """Let the bucket tell the queue of uploads, and the queue the function."""
        trigger = QueueTrigger(
            name,
            QueueTriggerArgs(
                function=self.function,
                keys=settings.queue,
                queues=queues,
                source_bucket_arns=[bucket.arn],
                account_id=house.account.account_id,
            ),
            ResourceOptions(parent=self),
        )
        bucket.tell(trigger, UPLOADED)
        for prefix in contract.WRITTEN_PREFIXES:
            bucket.written_under(prefix)


def _table(name: str, variable: str, opts: ResourceOptions, *, protect: bool) -> Table:
    (hash_key, range_key), _ = contract.TABLES[variable]
    args = TableArgs(key=Key(hash=hash_key, range=range_key), ttl_attribute=contract.TABLE_TTL, protect=protect)
    return Table(f"{name}-{variable.removesuffix('_TABLE').lower().replace('_', '-')}", args, opts)


def _rules(bucket: SharedBucket, origins: list[Input[str]]) -> BucketRulesArgs:
    tiered = [contract.DOCUMENTS_PREFIX, contract.IMAGES_PREFIX]
    expiring = {contract.UPLOADS_PREFIX: contract.UPLOADS_KEPT_DAYS}
    return BucketRulesArgs(bucket=bucket.name, tiered=tiered, expiring=expiring, origins=origins)


SYSTEM: Final = System(
    KnowledgeBaseSettings, KnowledgeBaseSystem, package=Zip(contract.LAYERS), uses=("image_processor",)
)
