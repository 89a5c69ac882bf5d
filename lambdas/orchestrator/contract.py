"""What the program's page, the function and its package must agree on: variables, defaults, bounds, messages, tables.

Standard library and shared contracts only; nothing is read or opened: the program imports this to plan a deployment.
"""

from __future__ import annotations

from typing import Final, Literal, NotRequired, TypedDict

from lambdas.shared.contract import Variable
from lambdas.shared.openai_calls.contract import OPENAI_URL

Strategy = Literal["github_direct", "pull_request"]
Provider = Literal["bedrock", "openai"]

HANDLER: Final = "lambda_function.lambda_handler"
LAYERS: Final = ("coderipple-dependencies", "coderipple-package")
"""In the order in which they are attached."""
ROUTE: Final = "POST /webhook"
ARCHITECTURE: Final = "single-lambda-with-layers"
"""What answers call the design that this function is of."""

GITHUB_WEBHOOK_SECRET: Final = "GITHUB_WEBHOOK_SECRET"  # noqa: S105 - a name
GITHUB_TOKEN: Final = "GITHUB_TOKEN"  # noqa: S105 - a name
GITHUB_APP_PRIVATE_KEY: Final = "GITHUB_APP_PRIVATE_KEY"
OPENAI_API_KEY: Final = "OPENAI_API_KEY"
"""Secrets: they reach the function as `<name>_SECRET_ARN` or `<name>_PARAMETER`. The token is read where there is no
GITHUB_APP_ID, the app's key where there is one; the model's key for the provider `openai` alone."""

SOURCE_REPO: Final = "CODERIPPLE_SOURCE_REPO"
BRANCHES: Final = "CODERIPPLE_BRANCHES"
DOC_STRATEGY: Final = Variable[Strategy]("CODERIPPLE_DOC_STRATEGY", "github_direct")
DOC_PATHS: Final = "CODERIPPLE_DOC_PATHS"
ENABLED_AGENTS: Final = "CODERIPPLE_ENABLED_AGENTS"
MIN_QUALITY_SCORE: Final = Variable("CODERIPPLE_MIN_QUALITY_SCORE", 70, at_least=0, at_most=100)
DAILY_RUNS: Final = Variable("CODERIPPLE_DAILY_RUNS", 50, at_least=1, at_most=10_000)
"""Of one repository."""
RUN_TOKENS: Final = Variable("CODERIPPLE_RUN_TOKENS", 400_000, at_least=1_000)
"""Input and output of all agents of a run."""
MODEL_PROVIDER: Final = Variable[Provider]("CODERIPPLE_MODEL_PROVIDER", "bedrock")
MODEL_ID: Final = "CODERIPPLE_MODEL_ID"
MODEL_TIMEOUT: Final = Variable("CODERIPPLE_MODEL_TIMEOUT", 120, at_least=0.1, at_most=900)
"""Seconds of one model call, which streams its answer."""
MODEL_ROLE_ARN: Final = "CODERIPPLE_MODEL_ROLE_ARN"
INPUT_PRICE: Final = Variable[float | None]("CODERIPPLE_INPUT_PRICE", None, at_least=0)
OUTPUT_PRICE: Final = Variable[float | None]("CODERIPPLE_OUTPUT_PRICE", None, at_least=0)
OPENAI_BASE_URL: Final = Variable("OPENAI_BASE_URL", OPENAI_URL)
GITHUB_API_URL: Final = Variable("GITHUB_API_URL", "https://api.github.com")
"""Of GitHub Enterprise Server: `https://<host>/api/v3`."""
GITHUB_APP_ID: Final = Variable[str | None]("GITHUB_APP_ID", None)
"""Variables that are config. Lists are comma-separated; the prices are in US dollars for a million
tokens, unset where cost is not to be counted. MODEL_ID has no default: models are retired."""

WEBHOOK_QUEUE_URL: Final = "WEBHOOK_QUEUE_URL"
IDEMPOTENCY_TABLE: Final = "IDEMPOTENCY_TABLE"
RUNS_TABLE: Final = "RUNS_TABLE"
WIRED: Final = (WEBHOOK_QUEUE_URL, IDEMPOTENCY_TABLE, RUNS_TABLE, MODEL_ROLE_ARN)
"""Variables that the stack sets. MODEL_ROLE_ARN, with the provider `bedrock` only, is a role that the function may
assume and that may do nothing but call the model: the agents' process gets its credentials and no others."""

TABLE_KEY: Final = "id"
"""Of both tables, a string. IDEMPOTENCY_TABLE is Powertools', RUNS_TABLE has an item for a repository and a UTC day,
and one for the tokens of each run."""
TABLE_TTL: Final = "expiration"
"""The attribute of both tables with the second after which an item may go."""
KEPT_SECONDS: Final = 7 * 24 * 60 * 60
"""How long a delivery counts as done, and what an agent proposed is kept: longer than messages wait in a queue (four
days) and than GitHub keeps a delivery to be sent again (three)."""

EVENTS: Final = ("ping", "push", "pull_request")
AGENTS: Final = ("tourist_guide", "building_inspector", "historian")

DEFAULT_DOC_PATHS: Final = (
    "README*",
    "CHANGELOG*",
    "CONTRIBUTING*",
    "ARCHITECTURE*",
    "HISTORY*",
    "docs/",
    "doc/",
    "documentation/",
    "coderipple/",
)
"""Where documents may be written: a folder with all below it, or a pattern for files at the root."""
DOC_SUFFIXES: Final = (".md", ".mdx", ".rst", ".txt")
"""Of documents, in lower case. No setting goes beyond them."""
HISTORY_PATH: Final = "docs/history.md"
"""The historian's file: it may only grow at its end."""

DEFAULT_MEMORY_MB: Final = 1_536
LEAST_MEMORY_MB: Final = 768
"""The function and a process for each agent at a time."""
DEFAULT_TIMEOUT_SECONDS: Final = 900
LEAST_TIMEOUT_SECONDS: Final = 180
PUBLISH_SECONDS: Final = 60
"""Of the function's time, for publishing: agents end before it begins."""
MESSAGES_AT_ONCE: Final = 1
"""The queue's batch size: a run may take all of the function's time."""
AGENT_TRIES: Final = 3
"""Deliveries of a message. An agent that fails at the last of them is reported, and what the others proposed is
published; it is below the queue's maxReceiveCount, after which a message is in the dead-letter queue."""


class Message(TypedDict):
    """A message of the queue. What it does not hold is fetched: GitHub's payloads may be larger than a message."""

    delivery: str
    """X-GitHub-Delivery."""
    event: Literal["push", "pull_request"]
    action: str
    """Of a pull request; empty for a push."""
    repository: str
    """owner/name."""
    ref: str
    """refs/heads/…; of a pull request its own branch."""
    before: str
    after: str
    """Commits: 40 or 64 hex digits, zeros where there is none."""
    installation: NotRequired[int]
    """Of the GitHub App."""


MODEL_ACTIONS: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
"""What the role of MODEL_ROLE_ARN may do, and the session that the agents' process gets."""
