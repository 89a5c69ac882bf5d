"""The function's configuration: its variables, read and checked in one place; and its secrets, by reference.

A value of a secret is never in here: `Secrets` holds what reads it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from coderipple.errors import ConfigurationError
from lambdas.orchestrator import contract
from lambdas.shared.rotation import RotatedSecret
from lambdas.shared.secret import Secret, SecretError
from lambdas.shared.variables import VariableSettings, setting

if TYPE_CHECKING:
    from collections.abc import Mapping

FUNCTION = "orchestrator"


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


class Config(VariableSettings):
    """One field for each variable of the contract."""

    wrong = ConfigurationError

    source_repo: Annotated[Names, Field(alias=contract.SOURCE_REPO, min_length=1)]
    """Repositories that are documented, owner/name."""
    branches: Annotated[Names, Field(alias=contract.BRANCHES)] = ()
    """Documented on a push, beside the default branch."""
    strategy: contract.Strategy = setting(contract.DOC_STRATEGY)
    doc_paths: Annotated[Names, Field(alias=contract.DOC_PATHS)] = contract.DEFAULT_DOC_PATHS
    agents: Annotated[Names, Field(alias=contract.ENABLED_AGENTS)] = contract.AGENTS
    min_quality_score: int = setting(contract.MIN_QUALITY_SCORE)
    daily_runs: int = setting(contract.DAILY_RUNS)
    run_tokens: int = setting(contract.RUN_TOKENS)
    model_provider: contract.Provider = setting(contract.MODEL_PROVIDER)
    model_id: Annotated[str, Field(alias=contract.MODEL_ID, pattern=r"^\S+$")]
    model_timeout_seconds: float = setting(contract.MODEL_TIMEOUT, allow_inf_nan=False)
    model_role_arn: Annotated[str | None, Field(alias=contract.MODEL_ROLE_ARN)] = None
    input_price: float | None = setting(contract.INPUT_PRICE, allow_inf_nan=False)
    output_price: float | None = setting(contract.OUTPUT_PRICE, allow_inf_nan=False)
    """US dollars for a million tokens."""
    openai_base_url: str = setting(contract.OPENAI_BASE_URL, pattern=r"^https?://\S+$")
    github_api_url: str = setting(contract.GITHUB_API_URL, pattern=r"^https?://\S+$")
    github_app_id: str | None = setting(contract.GITHUB_APP_ID, pattern=r"^[A-Za-z0-9.]+$")
    queue_url: Annotated[str, Field(alias=contract.WEBHOOK_QUEUE_URL)]
    idempotency_table: Annotated[str, Field(alias=contract.IDEMPOTENCY_TABLE)]
    runs_table: Annotated[str, Field(alias=contract.RUNS_TABLE)]

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        if wrong := [name for name in self.source_repo if not _REPOSITORY.fullmatch(name)]:
            raise ValueError(f"{contract.SOURCE_REPO} has {wrong[0]!r}: a repository is owner/name")
        if wrong := [name for name in self.agents if name not in contract.AGENTS]:
            raise ValueError(
                f"{contract.ENABLED_AGENTS} has {wrong[0]!r}: there are {', '.join(contract.AGENTS)}, "
                "and each may be left out"
            )
        if self.model_provider == "bedrock" and not self.model_role_arn:
            raise ValueError(
                f"{contract.MODEL_ROLE_ARN} is not set: with the provider bedrock, the agents' process gets "
                "credentials of a role that may call the model alone"
            )
        return self

    @cached_property
    def repositories(self) -> frozenset[str]:
        """Those that are documented, in lower case: GitHub ignores it."""
        return frozenset(name.lower() for name in self.source_repo)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What reads each secret; None for one that this configuration does not need."""

    webhook: RotatedSecret
    github_token: Secret | None
    github_app_key: Secret | None
    model_key: Secret | None


def get_config(environment: Mapping[str, str] | None = None) -> Config:
    """Read the variables, the process's own by default.

    Raises:
        ConfigurationError: names every wrong variable at once.
    """
    return Config.load(os.environ if environment is None else environment)


def get_secrets(config: Config, environment: Mapping[str, str] | None = None) -> Secrets:
    """Find out where the secrets are; none is read yet.

    Raises:
        ConfigurationError: no variable names one that is needed.
    """
    variables = os.environ if environment is None else environment

    def secret(name: str) -> Secret:
        return Secret(name, variables, function=FUNCTION)

    try:
        return Secrets(
            webhook=RotatedSecret(contract.GITHUB_WEBHOOK_SECRET, variables, function=FUNCTION),
            github_token=None if config.github_app_id else secret(contract.GITHUB_TOKEN),
            github_app_key=secret(contract.GITHUB_APP_PRIVATE_KEY) if config.github_app_id else None,
            model_key=secret(contract.OPENAI_API_KEY) if config.model_provider == "openai" else None,
        )
    except SecretError as error:
        raise ConfigurationError(str(error)) from None
