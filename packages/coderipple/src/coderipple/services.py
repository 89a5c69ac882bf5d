"""What is kept between invocations: configuration, where secrets are, AWS clients. Nothing is read until it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config as ClientConfig

from coderipple.config import get_config, get_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coderipple.config import Config, Secrets

QUEUE_SETTINGS = ClientConfig(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2, "mode": "standard"})
"""GitHub waits 10 s for an answer."""
TABLE_SETTINGS = ClientConfig(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"})


@dataclass(frozen=True)
class Services:
    """Of one environment."""

    config: Config
    secrets: Secrets

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Services:
        """Read the configuration.

        Raises:
            ConfigurationError: names every wrong variable.
        """
        variables = os.environ if environment is None else environment
        config = get_config(variables)
        return cls(config, get_secrets(config, variables))

    @cached_property
    def queue(self) -> Any:
        """boto3's client for SQS."""
        return _client("sqs", QUEUE_SETTINGS)

    @cached_property
    def tables(self) -> Any:
        """boto3's client for DynamoDB."""
        return _client("dynamodb", TABLE_SETTINGS)

    def prepare(self) -> None:
        """Make what a webhook needs, while Lambda gives the start a whole processor."""
        self.secrets.webhook.prepare()
        _ = self.queue


def _client(service: str, settings: ClientConfig) -> Any:
    # Any: the stubs name services whose types are not installed.
    return cast("Any", boto3).client(service, config=settings)
