"""The orchestrator, CodeRipple: GitHub's webhook → HTTP API → function → queue → the same function → documentation.

Owns its config and how its blocks are joined. What the function does is in `lambdas/orchestrator` and
`packages/coderipple`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

import pulumi
from pulumi import ResourceOptions
from pydantic import AfterValidator

from components import bedrock, github_names, limits, policies, values
from components.assumed_role import AssumedRole, AssumedRoleArgs, assume
from components.fields import key, secret, variable
from components.function_settings import FunctionSettings, Reference, SecretReference
from components.http_trigger import HttpKeys, HttpTrigger, HttpTriggerArgs
from components.package import Zip
from components.queue_trigger import QueueKeys, QueueTrigger, QueueTriggerArgs, make_queues
from components.section import Rule
from components.system import System
from components.table import Key, Table, TableArgs
from lambdas.orchestrator import contract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.house import House, SystemArgs


def model_timeout_fits(section: OrchestratorSettings) -> str | None:
    """A model's call and the publishing after it fit the function's time."""
    needed = section.model_timeout_seconds + contract.PUBLISH_SECONDS
    if section.timeout_seconds > needed:
        return None
    return (
        f"is {section.model_timeout_seconds:g}: with {contract.PUBLISH_SECONDS} s for publishing that is all of "
        f"timeout_seconds, {section.timeout_seconds}. Lower it, or raise timeout_seconds."
    )


def model_is_bedrocks(section: OrchestratorSettings) -> str | None:
    """The right to call a model is given by its id."""
    if section.model_provider != "bedrock" or bedrock.MODEL.fullmatch(section.model_id):
        return None
    return (
        f"is {section.model_id!r}, which is not an id of a Bedrock model or inference profile, such as "
        "eu.anthropic.claude-sonnet-4-5-20250929-v1:0. Or set model_provider to openai."
    )


class WebhookQueueKeys(QueueKeys):
    """How verified webhooks reach the function that does the work."""

    batch_size: int = key(
        "Messages that one invocation gets: one, since a run may take all of its time.",
        default=contract.MESSAGES_AT_ONCE,
        at_least=contract.MESSAGES_AT_ONCE,
        at_most=contract.MESSAGES_AT_ONCE,
    )


class OrchestratorSettings(FunctionSettings):
    """The orchestrator (CodeRipple): a push to GitHub updates the documentation."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(("model_timeout_seconds", "timeout_seconds"), model_timeout_fits),
        Rule(("model_id", "model_provider"), model_is_bedrocks),
    )
    wired: ClassVar[tuple[str, ...]] = contract.WIRED

    memory_mb: int = key(
        "Memory; CPU grows with it. The agents run in processes of their own.",
        default=contract.DEFAULT_MEMORY_MB,
        limit=limits.FUNCTION_MEMORY.above(contract.LEAST_MEMORY_MB),
    )
    timeout_seconds: int = key(
        "When Lambda cuts a run off. Webhooks are answered at once.",
        default=contract.DEFAULT_TIMEOUT_SECONDS,
        limit=limits.FUNCTION_TIMEOUT.above(contract.LEAST_TIMEOUT_SECONDS),
    )
    http: HttpKeys = key("The API that GitHub calls.", default=HttpKeys)
    queue: WebhookQueueKeys = key("The queue between webhook and work.", default=WebhookQueueKeys)
    source_repo: Annotated[list[str], AfterValidator(github_names.repositories)] = variable(
        contract.SOURCE_REPO, "Repositories that are documented, owner/name; webhooks of others are ignored."
    )
    branches: Annotated[list[str], AfterValidator(github_names.plain_names)] = variable(
        contract.BRANCHES, "Branches that are documented on a push, beside the default branch.", default=list
    )
    doc_strategy: contract.Strategy = variable(
        contract.DOC_STRATEGY, "`github_direct` commits to the branch; `pull_request` proposes."
    )
    doc_paths: Annotated[list[str], AfterValidator(github_names.document_paths)] = variable(
        contract.DOC_PATHS,
        "Where documents may be written: folders ending in `/`, patterns for files at the root. Unset: "
        f"{', '.join(f'`{path}`' for path in contract.DEFAULT_DOC_PATHS)}.",
        default=list,
    )
    enabled_agents: list[Literal["tourist_guide", "building_inspector", "historian"]] = variable(
        contract.ENABLED_AGENTS, "The agents that may run; unset is all three.", default=list
    )
    min_quality_score: int = variable(contract.MIN_QUALITY_SCORE, "A document below it is not published.")
    daily_runs: int = variable(
        contract.DAILY_RUNS, "Of one repository in a day (UTC); what is over it is reported and not run."
    )
    run_tokens: int = variable(contract.RUN_TOKENS, "Input and output tokens of all agents of one run, at most.")
    model_provider: contract.Provider = variable(
        contract.MODEL_PROVIDER, "`bedrock`, or `openai` for any server that speaks its API."
    )
    model_id: Annotated[str, AfterValidator(values.model_name)] = variable(
        contract.MODEL_ID, "The model, or on Bedrock an inference profile. There is no default: models are retired."
    )
    model_timeout_seconds: float = variable(
        contract.MODEL_TIMEOUT, "Of one model call, which streams its answer.", at_least=1
    )
    input_price: float | None = variable(
        contract.INPUT_PRICE, "US dollars for a million input tokens, for the cost metric."
    )
    output_price: float | None = variable(contract.OUTPUT_PRICE, "US dollars for a million output tokens.")
    openai_base_url: Annotated[str, AfterValidator(values.api_url)] = variable(
        contract.OPENAI_BASE_URL, "With the provider `openai`: where its API is."
    )
    github_api_url: Annotated[str, AfterValidator(values.api_url)] = variable(
        contract.GITHUB_API_URL, "GitHub's API; of GitHub Enterprise Server `https://<host>/api/v3`."
    )
    github_app_id: github_names.AppId | None = variable(
        contract.GITHUB_APP_ID,
        "The number or client id of a GitHub App; its key is then the secret, and no token is needed.",
    )
    github_webhook_secret: Reference | None = secret(contract.GITHUB_WEBHOOK_SECRET)
    github_token: Reference | None = secret(contract.GITHUB_TOKEN)
    github_app_private_key: Reference | None = secret(contract.GITHUB_APP_PRIVATE_KEY)
    openai_api_key: Reference | None = secret(contract.OPENAI_API_KEY)

    def secrets(self) -> Iterator[tuple[str, SecretReference | None]]:
        """Yield those that the function needs as it is configured: no others are made, or may be read."""
        unused = {
            contract.GITHUB_TOKEN if self.github_app_id else contract.GITHUB_APP_PRIVATE_KEY,
            *((contract.OPENAI_API_KEY,) if self.model_provider == "bedrock" else ()),
        }
        yield from ((name, given) for name, given in super().secrets() if name not in unused)


class OrchestratorSystem(pulumi.ComponentResource):
    """The whole system, ready for webhooks once its secrets are filled."""

    def __init__(
        self, name: str, args: SystemArgs[OrchestratorSettings], house: House, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("strata:components:OrchestratorSystem", name, None, opts)
        child, settings, protect = ResourceOptions(parent=self), args.settings, house.settings.protection.data
        kept = ResourceOptions(parent=self, protect=protect)
        queues = make_queues(name, settings.queue, settings.timeout_seconds, kept)
        table = TableArgs(key=Key(hash=contract.TABLE_KEY), ttl_attribute=contract.TABLE_TTL, protect=protect)
        deliveries, runs = Table(f"{name}-deliveries", table, child), Table(f"{name}-runs", table, child)
        model = _model_role(name, settings, house, child)
        self.function = house.function(
            name,
            args,
            statements=[
                policies.send_messages(queues.queue.arn),
                policies.use_table("RememberDeliveries", IDEMPOTENCY, deliveries.arn),
                policies.use_table("CountRuns", RUNS, runs.arn),
                *([assume(model.role.arn)] if model is not None else []),
            ],
            wired={
                contract.WEBHOOK_QUEUE_URL: queues.queue.url,
                contract.IDEMPOTENCY_TABLE: deliveries.name,
                contract.RUNS_TABLE: runs.name,
                **({contract.MODEL_ROLE_ARN: model.role.arn} if model is not None else {}),
            },
            opts=child,
        )
        QueueTrigger(name, QueueTriggerArgs(function=self.function, keys=settings.queue, queues=queues), child)
        api = HttpTrigger(
            name, HttpTriggerArgs(function=self.function, keys=settings.http, routes=[contract.ROUTE]), child
        )
        self.register_outputs({"api_url": api.api.api_endpoint})


IDEMPOTENCY: Final = ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
"""As Powertools uses its table."""
RUNS: Final = ("dynamodb:UpdateItem",)


def _model_role(name: str, settings: OrchestratorSettings, house: House, opts: ResourceOptions) -> AssumedRole | None:
    """Make the role that the agents' process gets, where the model is Bedrock's: it calls the model, nothing else."""
    if settings.model_provider != "bedrock":
        return None
    args = AssumedRoleArgs(
        function=name,
        statements=bedrock.call_model(settings.model_id, house.account),
        account=house.account,
        permissions_boundary_arn=house.settings.roles.permissions_boundary_arn,
    )
    return AssumedRole(f"{name}-model", args, opts)


SYSTEM: Final = System(OrchestratorSettings, OrchestratorSystem, package=Zip(contract.LAYERS, handler=contract.HANDLER))
