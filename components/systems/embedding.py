"""The embedding system: SQS queue → function → OpenAI embeddings → Pinecone.

Owns how the blocks are joined: which layer and secrets the function gets, its environment, its queue. What the
function does is in `lambdas/embedding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pulumi
from pulumi import ResourceOptions

from components.foundation import service_name
from components.queue_trigger import QueueTrigger, QueueTriggerArgs
from components.secret import (
    FunctionSecret,
    function_secret,
    merged_environment,
    planned_secret,
    references,
    secret_statements,
)
from components.system import System, SystemArgs, system_function
from components.systems.embedding_settings import EmbeddingSettings

if TYPE_CHECKING:
    from pulumi import Input

    from components.foundation import Foundation
    from components.function import LambdaFunction

NAME: Final = "embedding"
LAYERS: Final = ("openai-pinecone",)
OPENAI_API_KEY: Final = "OPENAI_API_KEY"
PINECONE_API_KEY: Final = "PINECONE_API_KEY"


class EmbeddingSystem(pulumi.ComponentResource):
    """The whole system, ready to take messages once its two secrets are filled."""

    def __init__(
        self,
        name: str,
        args: SystemArgs[EmbeddingSettings],
        foundation: Foundation,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("strata:components:EmbeddingSystem", name, None, opts)
        child = ResourceOptions(parent=self)
        stack, settings = foundation.settings, args.settings
        self.secrets = [
            function_secret(name, OPENAI_API_KEY, settings.openai_api_key, stack.secrets, child),
            function_secret(name, PINECONE_API_KEY, settings.pinecone_api_key, stack.secrets, child),
        ]
        self.function = system_function(
            name,
            args,
            foundation,
            environment=environment(settings, self.secrets),
            statements=secret_statements(self.secrets, stack.secrets.kms_key_arn, foundation.account),
            opts=child,
        )
        self.trigger = QueueTrigger(name, trigger_args(self.function, settings), child)
        self.register_outputs({"queue_url": self.trigger.queue.url})

    def exports(self) -> dict[str, Input[object]]:
        """Return the stack's output about the function."""
        return {**self.function.exports(), **self.trigger.exports(), "secrets": references(self.secrets)}


def trigger_args(function: LambdaFunction, settings: EmbeddingSettings) -> QueueTriggerArgs:
    """Return how messages reach the function."""
    return QueueTriggerArgs(
        function=function,
        service=service_name(NAME),
        batch_size=settings.batch_size,
        batching_window_seconds=settings.batching_window_seconds,
        maximum_concurrency=settings.maximum_concurrency,
        max_receive_count=settings.max_receive_count,
        max_message_bytes=settings.max_message_bytes,
        alarm_topic_arn=function.alarm_topic_arn,
    )


def planned_environment(settings: EmbeddingSettings) -> dict[str, Input[str]]:
    """Return the variables as far as they are known before anything is registered."""
    secrets = [
        planned_secret(OPENAI_API_KEY, settings.openai_api_key),
        planned_secret(PINECONE_API_KEY, settings.pinecone_api_key),
    ]
    return environment(settings, secrets)


def environment(settings: EmbeddingSettings, secrets: list[FunctionSecret]) -> dict[str, Input[str]]:
    """Return the function's variables: the contract of `lambdas/embedding/settings.py`."""
    optional = {
        "OPENAI_EMBEDDING_DIMENSIONS": settings.dimensions,
        "PINECONE_NAMESPACE": settings.pinecone_namespace or None,
    }
    return {
        **merged_environment(secrets),
        "OPENAI_BASE_URL": settings.openai_base_url,
        "OPENAI_TIMEOUT": f"{settings.openai_timeout_seconds:g}",
        "OPENAI_MAX_RETRIES": str(settings.openai_max_retries),
        "OPENAI_EMBEDDING_MODEL": settings.openai_embedding_model,
        "PINECONE_INDEX_HOST": settings.pinecone_index_host,
        **{key: str(value) for key, value in optional.items() if value is not None},
    }


SYSTEM: Final = System(EmbeddingSettings, LAYERS, EmbeddingSystem, planned_environment)
