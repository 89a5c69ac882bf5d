"""What a stack costs while nothing happens, and under a sample load: `docs/costs.md`, computed from the program.

Owns the prices, the loads and the sums. Alarms, secrets, queues, memory and processors are counted in what the program
declares for the stack; how long an invocation takes is an assumption, and the page says so.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.page import table
from ops.mock_plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "costs.md"
SECOND_GB: Final = {"arm64": 0.0000133334, "x86_64": 0.0000166667}
POLLS_A_MONTH: Final = 5 * 3 * 60 * 24 * 30
"""Requests of one mapping while its queue is empty: five connections that wait 20 s each
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""
FREE_ALARMS: Final = 10
FREE_SQS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one, and what one is."""

    dollars: float
    what: str
    source: str


PRICES: Final[Mapping[str, Price]] = {
    "invocation": Price(0.2e-6, "Lambda, an invocation", "https://aws.amazon.com/lambda/pricing/"),
    "alarm": Price(0.10, "CloudWatch, an alarm for a month", "https://aws.amazon.com/cloudwatch/pricing/"),
    "log_gb": Price(0.63, "CloudWatch Logs, a GB taken in", "https://aws.amazon.com/cloudwatch/pricing/"),
    "secret": Price(0.40, "Secrets Manager, a secret for a month", "https://aws.amazon.com/secrets-manager/pricing/"),
    "sqs": Price(0.4e-6, "SQS, a request", "https://aws.amazon.com/sqs/pricing/"),
    "sns": Price(0.5e-6, "SNS, a message; Lambda takes it free", "https://aws.amazon.com/sns/pricing/"),
    "put": Price(5.4e-6, "S3, a write", "https://aws.amazon.com/s3/pricing/"),
    "get": Price(0.43e-6, "S3, a read", "https://aws.amazon.com/s3/pricing/"),
    "http": Price(1.2e-6, "HTTP API, a request", "https://aws.amazon.com/api-gateway/pricing/"),
    "write": Price(0.7625e-6, "DynamoDB on demand, a write", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "read": Price(0.1525e-6, "DynamoDB on demand, a read", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "ada": Price(0.10e-6, "text-embedding-ada-002, a token", "https://platform.openai.com/docs/pricing"),
    "mini_in": Price(0.25e-6, "gpt-5-mini, a token in", "https://platform.openai.com/docs/pricing"),
    "mini_out": Price(2.0e-6, "gpt-5-mini, a token out", "https://platform.openai.com/docs/pricing"),
    "sonnet_in": Price(3.0e-6, "Claude Sonnet 4.5, a token in", "https://aws.amazon.com/bedrock/pricing/"),
    "sonnet_out": Price(15.0e-6, "Claude Sonnet 4.5, a token out", "https://aws.amazon.com/bedrock/pricing/"),
}
MODELS: Final = frozenset({"ada", "mini_in", "mini_out", "sonnet_in", "sonnet_out"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What happens in a month."""

    says: str
    invocations: int
    seconds: float
    """Of one invocation, assumed."""
    uses: Mapping[str, float]
    """Of `PRICES`: how many."""


LOADS: Final[Mapping[str, Load]] = {
    "embedding": Load(
        says="100,000 messages of 500 tokens, ten at once",
        invocations=10_000,
        seconds=1.0,
        uses={"sqs": 120_000, "ada": 50e6, "log_gb": 0.1},
    ),
    "embedding_processor": Load(
        says="10,000 texts of 4 KB",
        invocations=10_000,
        seconds=0.5,
        uses={"sns": 10_000, "get": 10_000, "put": 10_000, "log_gb": 0.02},
    ),
    "extract_text": Load(
        says="10,000 PDFs of ten pages, 100,000 chunks queued",
        invocations=10_000,
        seconds=0.8,
        uses={"get": 20_000, "put": 20_000, "sqs": 10_000, "log_gb": 0.02},
    ),
    "image_processor": Load(
        says="10,000 requests of five images",
        invocations=10_000,
        seconds=1.0,
        uses={"get": 10_000, "put": 50_000, "log_gb": 0.02},
    ),
    "knowledge_base": Load(
        says="1,000 PDFs of ten pages, 10,000 questions, 50,000 requests of the page",
        invocations=61_000,
        seconds=1.0,
        uses={
            "http": 60_000,
            "read": 200_000,
            "write": 50_000,
            "put": 15_000,
            "get": 50_000,
            "ada": 5e6,
            "mini_in": 30e6,
            "mini_out": 3e6,
            "log_gb": 0.1,
        },
    ),
    "orchestrator": Load(
        says="500 pushes that are documented, 60,000 tokens in and 5,000 out each",
        invocations=1_000,
        seconds=60.0,
        uses={
            "http": 500,
            "sqs": 1_500,
            "read": 2_000,
            "write": 3_000,
            "sonnet_in": 30e6,
            "sonnet_out": 2.5e6,
            "log_gb": 0.05,
        },
    ),
}
HEAD: Final = """# What it costs

<!-- Written by `python -m benchmarks.costs`; a test compares. -->

US dollars a month in `eu-central-1`, computed from what the program declares for the stack `{stack}` and from the list
prices [below](#prices), without discounts. The prices were typed in by hand in November 2026; no command fetches or
checks them, so look them up before you rely on a sum. Of what an account has free, only ten alarms and a million SQS
requests are counted; all systems share them. Not included: what is stored (S3 $0.0245 a GB), X-Ray (100,000 traces are
free), traffic, taxes, and what Pinecone, Supabase, Weaviate and GitHub charge.
"""
POLLING: Final = f"""An empty queue is asked about {POLLS_A_MONTH:,} times a month, so the second one of an account is
over the free million. Secrets can be SecureStrings of Parameter Store, which are free (`{{parameter: …}}` in the
config); then only alarms and polling are left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is paid for while nothing happens."""

    alarms: int
    secrets: int
    mappings: int

    @property
    def dollars(self) -> float:
        """A month in an account of its own, less what such an account has free."""
        alarms, polls = max(0, self.alarms - FREE_ALARMS), max(0, self.mappings * POLLS_A_MONTH - FREE_SQS)
        return alarms * dollars("alarm") + self.secrets * dollars("secret") + polls * dollars("sqs")

    def row(self, name: str) -> list[str]:
        """Its row of the table, but for the sum."""
        return [name, str(self.alarms), str(self.secrets), str(self.mappings)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the program declares for one system."""

    standing: Standing
    memory_mb: int
    architecture: str


def dollars(name: str) -> float:
    """Of one."""
    return PRICES[name].dollars


def declared(system: str, resources: Sequence[Mapping[str, Any]]) -> Declared:
    """Count what a system has among a plan's resources."""
    mine = [resource for resource in resources if _system_of(resource["name"]) == system]

    def count(kind: str) -> int:
        return sum(resource["type"] == kind for resource in mine)

    (function,) = (resource["inputs"] for resource in mine if resource["type"] == "aws:lambda/function:Function")
    standing = Standing(
        alarms=count("aws:cloudwatch/metricAlarm:MetricAlarm"),
        secrets=count("aws:secretsmanager/secret:Secret"),
        mappings=count("aws:lambda/eventSourceMapping:EventSourceMapping"),
    )
    return Declared(standing=standing, memory_mb=int(function["memorySize"]), architecture=function["architectures"][0])


def _system_of(name: str) -> str:
    """The system with the longest name that a resource's begins with."""
    found = [system for system in LOADS if name.startswith(f"{system.replace('_', '-')}-")]
    return max(found, key=len, default="")


def under_load(load: Load, of: Declared) -> tuple[float, float]:
    """AWS's share, and the models'."""
    lambdas = load.invocations * (
        dollars("invocation") + load.seconds * of.memory_mb / 1024 * SECOND_GB[of.architecture]
    )
    uses = {name: count * dollars(name) for name, count in load.uses.items()}
    models = sum(amount for name, amount in uses.items() if name in MODELS)
    return lambdas + sum(uses.values()) - models, models


def page(stack: str, resources: Sequence[Mapping[str, Any]]) -> str:
    """The page, as Markdown."""
    found = {system: declared(system, resources) for system in LOADS}
    standings = {name: of.standing for name, of in found.items()}
    every = Standing(
        alarms=sum(standing.alarms for standing in standings.values()),
        secrets=sum(standing.secrets for standing in standings.values()),
        mappings=sum(standing.mappings for standing in standings.values()),
    )
    idle = [[*standing.row(f"`{name}`"), f"${standing.dollars:.2f}"] for name, standing in standings.items()]
    idle.append([*every.row("all six"), f"**${every.dollars:.2f}**"])
    loads = [
        [
            f"`{name}`",
            load.says,
            f"{load.invocations:,} of {load.seconds:g} s",
            *(f"${amount:.2f}" for amount in under_load(load, found[name])),
        ]
        for name, load in LOADS.items()
    ]
    prices = [[price.what, _amount(price.dollars), f"<{price.source}>"] for price in PRICES.values()]
    gigabyte = PRICES["invocation"].source
    prices += [
        [f"Lambda, a GB for a second, {cpu}", _amount(amount), f"<{gigabyte}>"] for cpu, amount in SECOND_GB.items()
    ]
    return (
        "\n\n".join(
            [
                HEAD.format(stack=stack).rstrip(),
                "## While nothing happens",
                table(["system, alone in an account", "alarms", "secrets", "queues polled", "a month"], idle),
                POLLING,
                "## Under a sample load",
                "On top of the above. How long an invocation takes is assumed, not measured at AWS.",
                table(["system", "a month", "invocations", "AWS", "models"], loads),
                "## Prices",
                table(["what", "US dollars", "where to look it up"], prices),
            ]
        )
        + "\n"
    )


def _amount(dollars: float) -> str:
    return f"${dollars:.2f}" if dollars >= 0.01 else f"${dollars * 1e6:.2f} a million"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stack", default="prod")
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    plan = make_plan(ROOT, options.stack)
    if plan["error"] is not None:
        raise SystemExit(str(plan["error"]))
    options.output.write_text(page(options.stack, plan["resources"]), encoding="utf-8")


if __name__ == "__main__":
    main()
