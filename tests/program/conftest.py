"""The whole program, as Pulumi would run it, with each of the stack files in the repository."""

from __future__ import annotations

import json
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml

from components.systems import SYSTEMS
from sandbox.lambda_code import running_runtime
from tests.harness import Build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.harness import Program

ROOT = Path(__file__).resolve().parent.parent.parent
STACKS = ("dev", "prod", "local")


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs `__main__.py` with a stack file and changes to it."""

    build: Build
    only: str | None = None
    """The one system whose section is left in the config; None leaves what the stack file has."""

    plain: ClassVar[dict[tuple[str, str | None], Program]] = {}
    """Programs without changes, by stack and system: they are looked at only, so one run serves all tests."""

    def __call__(
        self, stack: str, changes: Mapping[str, Mapping[str, Any] | str] | None = None, *, name: str | None = None
    ) -> Program:
        """Run it, or return what it came to before.

        Args:
            stack: Which Pulumi.<stack>.yaml.
            changes: Section → keys to set in it; or the whole value of a key such as `aws:profile`.
            name: The stack's name when it is another.
        """
        if changes is None and name is None:
            if (stack, self.only) not in self.plain:
                self.plain[stack, self.only] = self(stack, {})
            return self.plain[stack, self.only]
        config = stack_config(stack)
        systems = [f"strata:{name}" for name in SYSTEMS if f"strata:{name}" in config]
        for section in systems if self.only is not None else ():
            if section != f"strata:{self.only}":
                del config[section]
        layers: list[Mapping[str, Mapping[str, Any] | str]] = [changes or {}]
        if stack == "local":  # as the sandbox does: this machine's Python runs the functions
            layers.insert(0, {section: {"runtime": running_runtime()} for section in systems if section in config})
        for section, values in [item for layer in layers for item in layer.items()]:
            whole = values if isinstance(values, str) else {**json.loads(config.get(section, "{}")), **values}
            config[section] = whole if isinstance(whole, str) else json.dumps(whole)
        program = str(ROOT / "__main__.py")
        return self.build(lambda: runpy.run_path(program, run_name="__main__"), config=config, stack=name or stack)


def stack_config(stack: str) -> dict[str, str]:
    """The config of a stack file as Pulumi hands it over: objects as JSON."""
    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


@pytest.fixture
def run() -> Runner:
    """The program with all its systems."""
    return Runner(Build())


@pytest.fixture
def run_embedding() -> Runner:
    """The program with the embedding system alone."""
    return Runner(Build(), "embedding")


def policy_statements(program: Program, policy: str) -> dict[str, dict[str, Any]]:
    """Of one policy, by name."""
    return {each["Sid"]: each for each in json.loads(program.one("RolePolicy", policy).inputs["policy"])["Statement"]}


def statements_of(program: Program, function: str) -> dict[str, dict[str, Any]]:
    """Of all policies of a function's role, by name."""
    policies = [policy for policy in program.all("RolePolicy") if policy.name.startswith(f"{function}-")]
    return {each["Sid"]: each for policy in policies for each in json.loads(policy.inputs["policy"])["Statement"]}


def variables_of(program: Program, function: str) -> dict[str, str]:
    """A function's environment."""
    return program.one("Function", f"{function}-function").inputs["environment"]["variables"]
