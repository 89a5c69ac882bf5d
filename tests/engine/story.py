"""The life of one stack, in steps that build upon each other; each is taken once, when the first test asks for it."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.engine.inventory import Inventory, inventory
from tests.engine.machine import embedding_alone
from tests.engine.steps import step
from tests.engine.timeout_watch import TimeoutWatch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.engine.canary import ArgumentWatch
    from tests.engine.pulumi_cli import Checkout, Run
    from tests.engine.world import World

FIRST, SECOND = "first", "second"
KEPT = {"strata:layers": {"keep_versions": True}}


def canary() -> str:
    """A secret that nobody else has."""
    return f"sk-canary-{secrets.token_hex(16)}"


class SlowerAndBack(NamedTuple):
    """A raised and a lowered timeout."""

    slow: str
    """The version that may run for 900 s."""
    newest: str
    """The version that may run for 136 s."""
    seen: list[tuple[int, int]]
    """As `TimeoutWatch` has it."""


@dataclass
class Story:
    """Two stacks in one account. `first` keeps its replaced layer versions; `second` does not."""

    checkout: Checkout
    world: World
    watch: ArgumentWatch
    """On during all of it."""
    keys: dict[str, str] = field(default_factory=lambda: {"OPENAI_API_KEY": canary(), "PINECONE_API_KEY": canary()})
    encrypted: dict[str, str] = field(default_factory=lambda: {"tests:token": canary(), "aws:secretKey": canary()})
    """Config values that only the engine can read: one that the program does not look at, and one of the provider."""

    @property
    def config(self) -> dict[str, Any]:
        """What is laid over the local stack's config."""
        return embedding_alone(self.world.host.url, self.world.openai_url, self.world.pinecone_url)

    @property
    def as_deployed(self) -> Path:
        """A copy of the checkout as it was then: later steps change the code and the config."""
        return self.checkout.path.with_name(f"{self.checkout.path.name}-as-deployed")

    def up(self, stack: str = FIRST, *more: str, environment: Mapping[str, str] | None = None) -> Run:
        """`pulumi up`."""
        return self.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", stack, *more, environment=environment)

    def preview(self, stack: str = FIRST) -> Run:
        """A preview that fails when it shows a change."""
        return self.checkout.pulumi("preview", "--expect-no-changes", "--diff", "--stack", stack)

    def ops(self, *arguments: str, stdin: str = "") -> Run:
        """`python -m ops … --stack first`."""
        return self.checkout.python("ops", *arguments, "--stack", FIRST, stdin=stdin)

    def function(self, stack: str = FIRST) -> dict[str, Any]:
        """The output about the embedding function."""
        return self.checkout.outputs(stack)["functions"]["embedding"]

    def live(self, stack: str = FIRST) -> dict[str, Any]:
        """What AWS says of the version that traffic goes to."""
        client = self.checkout.account.client("lambda")
        return client.get_function_configuration(FunctionName=self.function(stack)["name"], Qualifier="live")

    @step
    def first_up(self) -> Run:
        """The first deployment, of a checkout that never built anything."""
        # A provider with keys of its own takes both from its config.
        self.checkout.stack(FIRST, {**self.config, **KEPT, "aws:accessKey": self.checkout.account.account})
        for key, value in self.encrypted.items():
            self.checkout.pulumi("config", "set", "--secret", key, "--stack", FIRST, stdin=value).ok()
        run = self.checkout.pulumi("up", "--yes", "--skip-preview", "--stack", FIRST, trace="execve")
        return run.ok()

    @step
    def deployed(self) -> Inventory:
        """The account after the first deployment."""
        _ = self.first_up
        shutil.copytree(self.checkout.path, self.as_deployed, symlinks=True)
        return inventory(self.checkout.account)

    @step
    def with_secrets(self) -> dict[str, str]:
        """The stack's secrets, filled."""
        _ = self.deployed
        for name, value in self.keys.items():
            self.ops("secret", "set", "embedding", name, stdin=value).ok()
        self.world.openai.keys.rotate(self.keys["OPENAI_API_KEY"])
        self.world.pinecone.keys.rotate(self.keys["PINECONE_API_KEY"])
        return self.keys

    @step
    def code_change(self) -> Run:
        """A second version of the function's code."""
        _ = self.with_secrets
        source = self.checkout.path / "lambdas" / "embedding" / "handler.py"
        source.write_text(source.read_text() + "\n# Another line.\n")
        return self.up().ok()

    @step
    def rolled_back(self) -> Run:
        """The alias at the first version again."""
        _ = self.code_change
        return self.ops("rollback", "embedding").ok()

    @step
    def slower_and_back(self) -> SlowerAndBack:
        """Two plain `up`s: one raises the timeout to 900 s, one lowers it to 136 s."""
        _ = self.rolled_back
        self.ops("rollback", "embedding", "--to", "latest").ok()
        with TimeoutWatch(self.checkout.account, self.function()) as watch:
            for seconds in (900, 136):
                path = "strata:embedding.timeout_seconds"
                self.checkout.pulumi("config", "set", "--path", path, str(seconds), "--stack", FIRST).ok()
                self.up().ok()
        newest = int(self.live()["Version"])
        return SlowerAndBack(str(newest - 1), str(newest), watch.seen)

    @step
    def side_by_side(self) -> tuple[Inventory, Inventory]:
        """The account with one stack, and after a second was deployed and destroyed beside it."""
        _ = self.slower_and_back
        before = inventory(self.checkout.account)
        self.checkout.stack(SECOND, self.config)
        self.up(SECOND).ok()
        both = inventory(self.checkout.account)
        assert len(both) > len(before)
        assert {key: both[key] for key in before}.keys() == before.keys()
        self.checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", SECOND).ok()
        return before, inventory(self.checkout.account)

    @step
    def destroyed(self) -> Inventory:
        """The account after the first stack was destroyed as well."""
        _ = self.side_by_side
        self.checkout.pulumi("destroy", "--yes", "--skip-preview", "--stack", FIRST).ok()
        return inventory(self.checkout.account)
